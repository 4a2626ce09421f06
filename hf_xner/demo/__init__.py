"""The demo: a page in the browser, and an API, over the taggers of finished runs.

models asked for -> `choices` (and their teachers) -> `service` (limits, tagging, comparing) -> `page`, `api`, `serve`

`service` and what it uses know nothing of Gradio.
"""
