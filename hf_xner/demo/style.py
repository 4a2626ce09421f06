"""How the answers look. Colours of types come as --type; Gradio's own variables follow its light and dark theme."""

from __future__ import annotations

CSS = """
.xner .html-container.html-container { padding: 0; }
#guide pre, #guide .code_wrap { padding: 0; }
#guide pre code { display: block; padding: 0.75rem; }
#message { min-height: 4.5rem; }
@media (max-width: 640px) { #message .progress-text:has(+ .progress-level) { display: none; } }
#upload .or { color: inherit; }
button[role="tab"].selected { color: var(--primary-700); }
.dark button[role="tab"].selected { color: var(--primary-300); }
#text textarea { unicode-bidi: plaintext; text-align: start; }
.xner-note, .xner-warning, .xner-status, .xner-error { margin: 0; line-height: 1.5; overflow-wrap: anywhere; }
.xner-note + .xner-note, .xner-table + .xner-note { margin-top: 0.4rem; }
.xner-note { color: var(--body-text-color); }
.xner-error { border-left: 4px solid #c62828; padding: 0.4rem 0.75rem; background: #fdecea; color: #611a15; }
.xner-warning { border-left: 4px solid #b7791f; padding: 0.4rem 0.75rem; background: #fdf4e0; color: #5a3d08; }
.dark .xner-warning { background: #33260c; color: #ffe9bd; }
.xner-warning + .xner-note { margin-top: 0.4rem; }
.dark .xner-error { background: #3b1512; color: #ffd9d4; }
.xner-views { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); }
.xner-box { border: 1px solid var(--border-color-primary); border-radius: 6px; padding: 0.6rem 0.8rem 0.8rem; }
.xner-box h3, .xner-table caption, .xner-caption {
  margin: 0 0 0.4rem; padding: 0; text-align: start; color: var(--body-text-color);
  font-size: 0.95rem; font-weight: 600;
}
.xner-text {
  white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: plaintext; text-align: start;
  line-height: 2; font-size: 1rem; color: var(--body-text-color); max-height: 60vh; overflow-y: auto;
}
.xner-mark {
  border-radius: 4px; padding: 0.12em 0.25em; box-decoration-break: clone; -webkit-box-decoration-break: clone;
  background: color-mix(in srgb, var(--type) 20%, white); color: #16181d;
}
.dark .xner-mark { background: color-mix(in srgb, var(--type) 50%, black); color: #ffffff; }
.xner-type {
  background: var(--type); color: #ffffff; border-radius: 3px; padding: 0.1em 0.35em;
  font-size: 0.7rem; font-weight: 700; vertical-align: 0.08em; user-select: none; white-space: nowrap;
}
.xner-mark .xner-type { margin-inline-start: 0.35em; }
.xner-table {
  width: 100%; margin: 0.75rem 0 0; border-collapse: collapse; font-size: 0.9rem; color: var(--body-text-color);
}
.xner-table th, .xner-table td {
  padding: 0.35rem 0.5rem; text-align: start; vertical-align: top; overflow-wrap: anywhere;
  border-bottom: 1px solid var(--border-color-primary);
}
.xner-table th { overflow-wrap: normal; font-weight: 600; }
.xner-table td:first-child { width: 35%; }
.xner-caption { margin-top: 0.75rem; }
@media (max-width: 480px) { .xner-table { font-size: 0.82rem; } .xner-table th, .xner-table td { padding: 0.3rem; } }
"""
