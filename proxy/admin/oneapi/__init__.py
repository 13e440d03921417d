"""One API's management API, as far as other programs use it: docs/one-api.md says how far that is."""

from .routes import ROUTES as ROUTES
