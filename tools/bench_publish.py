"""Publish results as pages that need nothing but themselves, from disk or from a server.

    python tools/bench_publish.py

asv's pages load jQuery, flot and Bootstrap from the network, and their data by requests that browsers refuse on pages from disk.  Here the
libraries come from npm when the pages are made, and lie beside them; the data lie in a script.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from asv_command import ROOT, WORK, asv, configuration, fail

LIBRARIES = {  # what asv asks for: the file in a package of npm
    "jquery": ("jquery@3.7.1", "dist/jquery.min.js"),
    "jquery.flot": ("flot@0.8.3", "jquery.flot.js"),
    "jquery.flot.time": ("flot@0.8.3", "jquery.flot.time.js"),
    "jquery.flot.selection": ("flot@0.8.3", "jquery.flot.selection.js"),
    "jquery.flot.categories": ("flot@0.8.3", "jquery.flot.categories.js"),
    "jquery.flot.orderBars": ("flot-orderbars@1.0.0", "js/jquery.flot.orderBars.js"),
    "stupidtable": ("stupid-table-plugin@1.1.3", "stupidtable.min.js"),
    "md5": ("blueimp-md5@2.19.0", "js/md5.min.js"),
    "bootstrap": ("bootstrap@3.4.1", "dist/js/bootstrap.min.js"),
}
STYLE = ("bootstrap@3.4.1", "dist/css/bootstrap.min.css")
FONTS = ("bootstrap@3.4.1", "dist/fonts")
_TAG = re.compile(r"""<(?:script|link)\b[^>]*?\b(?:src|href)=["'](https?:)?//[^>]*>""")
_ADDRESS = re.compile(r"""\b(?:src|href)=["']([^"']+)["']""")
_ANSWERS = """/* The pages' data, for browsers that answer no requests on pages from disk. */
$.ajaxTransport("+*", function (options) {
    var path = decodeURIComponent(options.url.split("?")[0]);
    var known = Object.prototype.hasOwnProperty.call(pageData, path);
    if (!known && !/\\.(json|ico)$/.test(path)) { return undefined; }
    return {
        send: function (headers, complete) {
            setTimeout(function () {
                if (known) { complete(200, "OK", {text: JSON.stringify(pageData[path])}); }
                else if (/ico$/.test(path)) { complete(200, "OK", {text: ""}); }  /* asv asks for it to see whether there is a network */
                else { complete(404, "Not Found", {text: ""}); }  /* a benchmark without results */
            }, 0);
        },
        abort: function () {}
    };
});
"""
_NARROW = """
@media (max-width: 800px) {
    #nav { position: static; margin-bottom: 6px; }
    #nav .navbar-nav { float: none; margin: 0; }
    #nav .navbar-nav > li { display: inline-block; float: none; }
    #nav .navbar-nav > li > a, #nav .navbar-text, #nav .navbar-brand {
        height: auto; margin: 0; padding: 6px 8px; font-size: 14px; float: none;
    }
    #summarygrid-display, #regressions-display, #summarylist-body, #summarylist-navigation, #graphdisplay-navigation {
        position: static !important; width: auto !important; overflow-x: auto;
    }
    #summarylist-navigation, #graphdisplay-navigation { max-height: 240px; border-bottom: 1px solid #ccc; }
    #graph-display > div:last-child { position: relative !important; inset: 0 !important; height: 640px; padding: 8px; }
    #regressions-display { margin-top: 0 !important; }
}
"""


def _place(package: str) -> Path:
    return WORK / "npm" / package.replace("@", "-")


def path_of(package: str, file: str) -> Path:
    """Return where a file of an npm package lies, once it has been fetched."""
    return _place(package) / "node_modules" / package.partition("@")[0] / file


def library(package: str, file: str) -> Path:
    """Return a file of an npm package, installed below .asv/npm; it is fetched the first time."""
    path = path_of(package, file)
    if not path.exists():
        place = _place(package)
        if not shutil.which("npm"):
            fail("npm is needed to fetch what asv's pages load: install Node.js")
        command = ["npm", "install", "--silent", "--no-save", "--no-package-lock", "--ignore-scripts", "--prefix", str(place), package]
        if subprocess.run(command, check=False).returncode or not path.exists():
            fail(f"npm could not install {package}, or it has no {file}", 3)
    return path


def local_tag(tag: str, html: Path) -> str:
    """Copy what a tag loads from the network beside the page, and return a tag that loads it from there."""
    found = _ADDRESS.search(tag)
    assert found is not None
    stem = Path(found[1]).name.removesuffix(".css").removesuffix(".js").removesuffix(".min")
    stem = re.sub(r"-\d[\d.]*$", "", stem)
    vendor = html / "vendor"
    vendor.mkdir(exist_ok=True)
    if tag.startswith("<link"):
        if stem != "bootstrap":
            fail(f"asv's page loads a style that is not known here: {found[1]}", 3)
        (vendor / "css").mkdir(exist_ok=True)
        text = library(*STYLE).read_text(encoding="utf-8")
        (vendor / "css" / "bootstrap.min.css").write_text(re.sub(r"/\*# sourceMappingURL.*?\*/", "", text), encoding="utf-8")
        shutil.copytree(library(*FONTS), vendor / "fonts", dirs_exist_ok=True)
        return '<link rel="stylesheet" href="vendor/css/bootstrap.min.css">'
    if stem not in LIBRARIES:
        fail(f"asv's page loads a script that is not known here: {found[1]}", 3)
    source = library(*LIBRARIES[stem])
    text = re.sub(r"^//# sourceMappingURL.*$", "", source.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (vendor / source.name).write_text(text, encoding="utf-8")
    return f'<script src="vendor/{source.name}" onerror="js_load_failure()">'


def make_self_contained(html: Path) -> None:
    """Rewrite the published pages: libraries beside them, data in a script, nothing from the network."""
    index = html / "index.html"
    text = _TAG.sub(lambda match: local_tag(match[0], html), index.read_text(encoding="utf-8"))
    data = {path.relative_to(html).as_posix(): json.loads(path.read_text(encoding="utf-8")) for path in sorted(html.rglob("*.json"))}
    script = f"var pageData = {json.dumps(data, separators=(',', ':'))};\n{_ANSWERS}"
    (html / "data.js").write_text(script, encoding="utf-8")
    first = re.search(r"""<script[^>]*?src=["']asv\.js""", text)
    if first is None:
        fail("asv's page has no asv.js: its pages have changed", 3)
    else:
        text = text[: first.start()] + '<script src="data.js"></script>\n    ' + text[first.start() :]
    text = text.replace("</head>", '<meta name="viewport" content="width=device-width, initial-scale=1">\n  </head>', 1)
    left = _TAG.search(text)
    if left or "integrity=" in text:
        fail(f"asv's page still loads something from the network: {left[0] if left else 'integrity='}", 3)
    index.write_text(text, encoding="utf-8")
    with (html / "asv.css").open("a", encoding="utf-8") as style:
        style.write(_NARROW)


def fetched() -> bool:
    """Return whether all libraries are here already."""
    packages = {*LIBRARIES.values(), STYLE, FONTS}
    return all(path_of(*package).exists() for package in packages)


def publish(html: Path) -> int:
    """Publish into a directory, and make the pages self-contained; returns asv's exit status."""
    status = asv("publish", "--no-pull", "--html-dir", str(html))
    if not status:
        make_self_contained(html)
    return status


def main() -> int:
    """Publish where asv.conf.json says, and say where that is."""
    html = ROOT / configuration()["html_dir"]
    status = publish(html)
    if not status:
        print(f"open {html / 'index.html'}")
    return status


if __name__ == "__main__":
    sys.exit(main())
