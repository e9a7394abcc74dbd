// A browser starts no worker for a page that is opened from disk.  There the search runs in a hidden frame of the page instead.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.documentElement.append(frame)
      const inside = frame.contentWindow
      const load = address => new Promise((done, failed) => {
        const script = frame.contentDocument.createElement("script")
        script.src = address
        script.onload = done
        script.onerror = failed
        frame.contentDocument.body.append(script)
      })
      inside.postMessage = data => this.dispatchEvent(new MessageEvent("message", {data}))
      inside.importScripts = (...addresses) => addresses.reduce((done, one) => done.then(() => load(one)), Promise.resolve())
      this.ready = load(url).then(() => inside)
    }
    postMessage(data) {
      this.ready.then(inside => inside.dispatchEvent(new inside.MessageEvent("message", {data})))
    }
  }
}
