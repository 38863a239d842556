"""Name lookup that lets nothing through to addresses where no clip lies: after resolution, before connecting."""

from __future__ import annotations

import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

from omniedit.core.addresses import forbidden
from omniedit.errors import OmniEditError

__all__ = ["GuardedResolver", "UnsafeAddressError"]


class UnsafeAddressError(OmniEditError, OSError):
    """A name leads to an address that nothing may be fetched from. An `OSError`, as the connector expects."""


class GuardedResolver(AbstractResolver):
    """The system's lookup, with every answer judged.

    The connection goes to the very addresses that were judged: a name that answers differently the next time gains
    nothing. Literal addresses never come here; whoever follows links judges them first.
    """

    def __init__(self, *, allow_private: bool, resolver: AbstractResolver | None = None) -> None:
        self._allow_private = allow_private
        self._given = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name.

        Raises:
            OSError: the lookup failed.
            UnsafeAddressError: at least one of them is forbidden.
        """
        # Made late: some resolvers want a running loop.
        self._given = self._given or DefaultResolver()
        try:
            found = await self._given.resolve(host, port, family)
        except UnicodeError:  # a label that is empty or too long: raised before anybody is asked
            raise socket.gaierror(socket.EAI_NONAME, "no such name can be") from None
        addresses = tuple(result["host"] for result in found)
        if (address := forbidden(addresses, allow_private=self._allow_private)) is not None:
            raise UnsafeAddressError(f"the link leads to {host} ({address}), which is no public address")
        return found

    async def close(self) -> None:
        """Release the system's resolver."""
        if self._given is not None:
            await self._given.close()
