// Style and script of a listing. Whoever changes one of them puts its new hash into the policy:
// tests/protocol/http/listing_test says which that is.
#include "protocol/http/listing_page.h"

namespace objmapper::protocol::http {

// A row is a line of three cells; on a phone the name has a line of its own, since it may be long.
const absl::string_view kPageStyle = R"css(
:root{color-scheme:light dark;--text:#1c2128;--page:#fff;--faint:#59636e;--line:#dfe3e8;
--link:#0a56c2;--row:#f2f5f9}
@media(prefers-color-scheme:dark){:root{--text:#e4e7eb;--page:#15181c;--faint:#9aa5b1;
--line:#2c3239;--link:#86b7ff;--row:#1f242a}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:64rem;padding:1.25rem 1rem 2rem;background:var(--page);
color:var(--text);font:1rem/1.5 system-ui,sans-serif;-webkit-text-size-adjust:100%}
h1{margin:0 0 1rem;padding:0 .5rem;font-size:1.2rem;font-weight:600;overflow-wrap:anywhere}
a{color:var(--link);text-decoration:none}
a:hover{text-decoration:underline}
table{width:100%;border-collapse:collapse}
th,td{padding:.4rem .5rem;border-bottom:1px solid var(--line);text-align:left;font-weight:400;
vertical-align:baseline}
th{color:var(--faint);font-size:.875rem}
td:first-child{width:100%;overflow-wrap:anywhere}
th+th,td+td{white-space:nowrap;padding-left:1.5rem}
td+td{color:var(--faint);font-variant-numeric:tabular-nums}
th:nth-child(2),td:nth-child(2){text-align:right}
tbody tr:hover{background:var(--row)}
button{all:unset;cursor:pointer}
button:hover{color:var(--text)}
button:focus-visible,a:focus-visible{outline:2px solid var(--link);outline-offset:2px}
[aria-sort] button::after{content:"\2009\25b2"}
[aria-sort=descending] button::after{content:"\2009\25bc"}
p{margin:1rem .5rem;color:var(--faint);font-size:.875rem}
@media(max-width:40rem){
tr{display:flex;flex-wrap:wrap;column-gap:1rem;padding:.45rem .5rem;
border-bottom:1px solid var(--line)}
th,td,th+th,td+td{padding:0;border:0}
td:first-child{flex:0 0 100%}
td+td{font-size:.875rem}
td:nth-child(2){min-width:4.75rem;text-align:left}
td:empty{display:none}
}
)css";

// The rows come sorted by name; folders stay before objects. What is compared is in the cells: the
// size in bytes in a title, the time as text.
const absl::string_view kPageScript = R"js(
"use strict";
(() => {
  const body = document.querySelector("tbody");
  const rows = [...body.rows].map((row, place) => ({
    row,
    folder: row.firstChild.textContent.endsWith("/"),
    keys: [place, parseInt(row.cells[1].title || "-1", 10), row.cells[2].textContent],
  }));
  const heads = [...document.querySelectorAll("th")];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      rows.sort((a, b) => {
        if (a.folder !== b.folder) return a.folder ? -1 : 1;
        const x = a.keys[column], y = b.keys[column];
        return x === y ? a.keys[0] - b.keys[0] : (x < y) === down ? 1 : -1;
      });
      const sorted = document.createDocumentFragment();
      for (const each of rows) sorted.append(each.row);
      body.append(sorted);
    });
  });
  heads[0].setAttribute("aria-sort", "ascending");
})();
)js";

const absl::string_view kPagePolicy =
    "default-src 'none'; "
    "style-src 'sha256-XRW2jYr2Jq4UGr+ZmyRDBfWy3dSml073QhX9cLovxK8='; "
    "script-src 'sha256-z1tiN5LXTniPRnRIxau3KZwX1JLtoLrOcDEnrIlYfQ8='; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

}  // namespace objmapper::protocol::http
