"""The files of a folder over HTTP/1.1, by aiohttp's server: `up --http PORT:DIR`."""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from html import escape
from pathlib import Path
from typing import Final
from urllib.parse import quote

from aiohttp import web

SHUTDOWN_TIMEOUT: Final = 1.0
"""Seconds that answers under way have, once the server was told to stop."""

INDEX: Final = "index.html"


def find(root: Path, path: str) -> Path:
    """What a path of a URL, decoded, names below `root`. Raises HTTPNotFound.

    Symbolic links are followed as long as they do not lead out.
    """
    try:
        found = root.joinpath(*filter(None, path.split("/"))).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):  # a NUL, a circle of links
        raise web.HTTPNotFound from None
    if not found.is_relative_to(root):
        raise web.HTTPNotFound
    return found


def listing(folder: Path, path: str) -> str:
    """A page of links to what is in a folder, folders first; hidden names as well."""
    entries = sorted(folder.iterdir(), key=lambda one: (not one.is_dir(), one.name))
    names = [one.name + "/" * one.is_dir() for one in entries]
    if path != "/":
        names.insert(0, "../")
    rows = (f'<li><a href="./{quote(name)}">{escape(name)}</a></li>' for name in names)
    title = escape(f"Index of {path}")
    return (
        '<!DOCTYPE html>\n<html><head><meta charset="utf-8">'
        f"<title>{title}</title></head>\n<body><h1>{title}</h1>\n<ul>\n"
        + "\n".join(rows)
        + "\n</ul></body></html>\n"
    )


def file_application(root: Path) -> web.Application:
    """GET and HEAD of the files below a folder: ranges, conditions, content types."""
    root = root.resolve()

    async def answer(request: web.Request) -> web.StreamResponse:
        found = find(root, request.path)
        if found.is_dir():
            if not request.path.endswith("/"):
                name = request.path.rpartition("/")[2]
                raise web.HTTPMovedPermanently(f"./{quote(name)}/")
            index = found / INDEX
            if index.is_file():
                return web.FileResponse(find(root, request.path + INDEX))
            try:
                page = listing(found, request.path)
            except PermissionError:
                raise web.HTTPForbidden from None
            return web.Response(text=page, content_type="text/html")
        if not found.is_file():
            raise web.HTTPNotFound  # a pipe, or a device
        return web.FileResponse(found)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    return app


@asynccontextmanager
async def serving(places: Sequence[tuple[int, Path]]) -> AsyncIterator[None]:
    """The folders, each on its port, on every address. Raises OSError."""
    mimetypes.init()  # reads the host's lists now, not within the first request
    async with AsyncExitStack() as opened:
        for port, root in places:
            runner = web.AppRunner(
                file_application(root),
                handle_signals=False,
                access_log=None,
                shutdown_timeout=SHUTDOWN_TIMEOUT,
            )
            await runner.setup()
            opened.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, port=port).start()
        yield
