"""The API: two endpoints beside the page, with documented arguments and plain values in and out."""

from __future__ import annotations

from typing import Any

import gradio as gr

from hf_xner.demo.service import Service
from hf_xner.errors import InputError

TEXTS = "texts"  # page and API wait in one queue for texts

GUIDE = """
```
from gradio_client import Client

client = Client("URL")  # the address of this page
client.predict("Marta Lindqvist lives in Kiel.", api_name="/tag")
client.predict("Marta Lindqvist lives in Kiel.", "MODEL", "TEACHER", api_name="/tag")  # names from /models
client.predict(api_name="/models")
```

```
id=$(curl -s URL/gradio_api/call/tag -H 'Content-Type: application/json' \\
     -d '{{"data": ["Marta Lindqvist lives in Kiel.", "", ""]}}' | sed 's/.*"event_id": *"//; s/".*//')
curl -s -N URL/gradio_api/call/tag/$id
```

`/tag` gives the model's name, the text, and `entities`: type, text, `start` and `end` (Unicode characters of the text)
and score (0 to 1); with a teacher also `teacher_entities` and `differences`. A text takes at most {characters:,}
characters. Mistakes come back as an error with one line that says what to do.
"""


def add_api(service: Service) -> None:
    """Add the endpoints to the page that is being built.

    Args:
        service: Answers the requests.
    """

    def tag(text: str, model: str = "", teacher: str = "") -> dict[str, Any]:
        try:
            return service.tag_text(text, model=model, teacher=teacher).to_dict()
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def models() -> list[dict[str, Any]]:
        return [
            {
                "name": choice.name,
                "about": choice.about,
                "language": choice.language,
                "teachers": list(choice.teachers),
            }
            for choice in service.choices.values()
        ]

    gr.api(
        tag,
        api_name="tag",
        api_description="Find the named entities of a text. model and teacher are names that /models gives; an empty "
        "model means the first, an empty teacher no comparison.",
        concurrency_id=TEXTS,
        concurrency_limit=1,
    )
    gr.api(models, api_name="models", api_description="The models, with the teachers each can be compared with.")
