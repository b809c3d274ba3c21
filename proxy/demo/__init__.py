"""The demo upstream: speaks all four dialects by rule, so that Turnout runs, and is tested, without a key or a model.

It is written against the vendors' wire formats by hand and imports no adapter: an independent judge of what we write.
"""

from proxy.demo.server import create_app

app = create_app()

__all__ = ["app", "create_app"]
