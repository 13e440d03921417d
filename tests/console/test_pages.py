"""Every page in both languages, both themes and at a phone's width: whole, readable, accessible."""

import json
import re
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
CONSOLE = HERE.parents[1] / "console"
PICTURES = HERE / "pictures"
PAGES = {
    "overview": "/", "channels": "/channels", "models": "/models", "tokens": "/tokens", "users": "/users",
    "groups": "/users?tab=groups", "limits": "/users?tab=limits", "codes": "/codes", "logs": "/logs",
    "playground": "/playground", "events": "/settings?tab=events", "audit": "/settings?tab=audit",
    "plugins": "/settings?tab=plugins", "options": "/settings?tab=options", "about": "/settings?tab=about",
    "account": "/account", "start": "/start",
}  # fmt: skip
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
LOOKS = [("en", "light", WIDE), ("zh", "dark", WIDE), ("zh", "light", PHONE), ("en", "dark", PHONE)]
