"use strict";
// The buttons copy the text beside them.  Where the clipboard is out of reach (a frame, an old browser), a selection does.
document.addEventListener("click", async (event) => {
  const button = event.target.closest(".copied button");
  if (!button) return;
  const source = button.closest(".copied").querySelector("pre");
  let copied = false;
  try {
    await navigator.clipboard.writeText(source.textContent);
    copied = true;
  } catch {
    const range = document.createRange();
    range.selectNodeContents(source);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    copied = document.execCommand("copy");
  }
  button.textContent = copied ? "Copied" : "Selected";
  window.setTimeout(() => { button.textContent = "Copy"; }, 1500);
});
