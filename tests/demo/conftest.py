from .fixtures import browser, page_url, service, toy_run

__all__ = ["browser", "page_url", "service", "toy_run"]
