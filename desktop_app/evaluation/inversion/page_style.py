"""Style sheet of the evaluation page, and pictures as data addresses."""

from __future__ import annotations

import base64
import io

from PIL import Image as PillowImage

from desktop_app.core.types import Image

LOSSY_FROM_PX = 96  # larger pictures are stored as JPEG

STYLE = """
:root{color-scheme:light}
*{box-sizing:border-box}
body{margin:0;background:#f6f7f9;color:#1d2430;font:400 16px/1.6 system-ui,"Segoe UI",Roboto,"Helvetica Neue",
Arial,sans-serif}
main{max-width:1290px;margin:0 auto;padding:2.6rem 1.6rem 5rem}
h1{font-weight:250;font-size:2.3rem;letter-spacing:-.015em;line-height:1.2;margin:0 0 .5rem}
h2{font-weight:300;font-size:1.55rem;letter-spacing:-.01em;margin:3rem 0 .4rem}
h3{font-weight:400;font-size:1.05rem;margin:1.7rem 0 .3rem}
p{max-width:76ch;margin:.4rem 0 .9rem}
.lead{color:#3d4758;font-size:1.12rem;font-weight:300}
.note{color:#4d5768;font-size:.92rem}
a{color:#0b5c92}
a:focus-visible,summary:focus-visible,.scroll:focus-visible{
outline:2px solid #0072b2;outline-offset:2px}
nav ul{list-style:none;display:flex;
flex-wrap:wrap;gap:.2rem 1.3rem;padding:0;margin:1rem 0 0;font-size:.95rem}
.card{background:#fff;border:1px solid #e4e7eb;border-radius:12px;
padding:1.1rem 1.3rem;margin:.9rem 0}
.warn{border-left:4px solid #c34e00;max-width:76ch}
ul.warn{list-style:none}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:1rem}
.pair .card{margin:0}
.card>h3{margin-top:0}
strong{font-weight:600}
figure{margin:0}
svg{max-width:100%;height:auto;display:block}
svg .tick{font:400 12px system-ui,sans-serif;fill:#4d5665}
svg .axis{font:400 13px system-ui,sans-serif;fill:#2f3846}
.legend{list-style:none;display:flex;flex-wrap:wrap;
gap:.25rem 1.2rem;padding:0;margin:.2rem 0 .8rem;font-size:.92rem}
.legend li{display:flex;align-items:center;gap:.45rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.93rem;font-variant-numeric:tabular-nums;min-width:100%}
caption{text-align:left;font-weight:400;padding:0 0 .5rem}
th,td{padding:.42rem .8rem .42rem 0;text-align:right;border-bottom:1px solid #eceef1;white-space:nowrap;
vertical-align:top}
th:first-child,.words{text-align:left}
thead th{font-weight:400;color:#475163;border-bottom:1px solid #cfd5dd}
tbody th{font-weight:400}
td.best{font-weight:600;color:#00653f}
td small,th small{font-weight:400;display:block;color:#596375;font-size:.78rem}
.grid{display:grid;gap:.45rem;justify-content:start;align-items:start}
.grid .head{font-size:.8rem;color:#475163;
line-height:1.25;align-self:end;text-align:center;overflow-wrap:anywhere}
.grid .side{font-size:.86rem;align-self:center;line-height:1.3}
.grid figcaption{font-size:.74rem;color:#566072;text-align:center;line-height:1.3}
.grid img{width:100%;display:block;border-radius:6px;background:#eceef1}
.empty{aspect-ratio:1}
.scale{display:flex;align-items:center;gap:.6rem;font-size:.85rem;color:#475163;margin:.4rem 0 .8rem}
.scale span.bar{width:180px;height:10px;border-radius:5px;
background:linear-gradient(90deg,#213e9e,#5c8cd6 25%,#eceae2 50%,#e8845c 75%,#b21022)}
details{margin:.5rem 0}
summary{cursor:pointer;font-weight:400}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1.2rem;margin:.6rem 0;font-size:.95rem}
dt{font-weight:400}dd{margin:0;color:#3d4656}
@media (max-width:640px){.pair{grid-template-columns:1fr}dl{grid-template-columns:1fr}}
@media print{body{background:#fff}.card{break-inside:avoid}}
"""


def picture_address(image: Image) -> str:
    """A picture inside of the page: PNG for small ones, JPEG for larger ones."""
    buffer = io.BytesIO()
    if max(image.shape[:2]) >= LOSSY_FROM_PX:
        PillowImage.fromarray(image).save(buffer, "JPEG", quality=88, subsampling=0)
        kind = "jpeg"
    else:
        PillowImage.fromarray(image).save(buffer, "PNG", optimize=True)
        kind = "png"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
