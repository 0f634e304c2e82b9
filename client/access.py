"""Calls about who one is, and who else may come in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from client.http import Calls, segment

if TYPE_CHECKING:
    from client.types import Key, KeyList, KeyWish, NewKey, Ways, Who, Workspace, WorkspaceList


class AccessCalls(Calls):
    """Sign-in, keys and workspaces."""

    def who(self) -> Who:
        """Tell whom the platform takes the caller for, and what that one may do."""
        return self._get("/api/session/")

    def ways(self) -> Ways:
        """Tell in which ways a browser can be signed in."""
        return self._get("/api/session/ways/")

    def sign_in(self, key: str, *, https: bool) -> list[str]:
        """Sign a browser in by a key; gives its Set-Cookie headers.

        Args:
            key: As it was typed.
            https: Whether the browser came by https, so that its cookie never goes another way.
        """
        headers = {"X-Forwarded-Proto": "https" if https else "http"}
        answer = self._send("POST", "/api/session/", json={"key": key}, headers=headers)
        return answer.headers.get_list("Set-Cookie")

    def sign_out(self) -> list[str]:
        """Sign the present browser out; gives its Set-Cookie headers."""
        return self._send("DELETE", "/api/session/").headers.get_list("Set-Cookie")

    def keys(self, *, workspace: str | None = None) -> KeyList:
        """List the API keys of a workspace, one's own by default, newest first."""
        return self._get("/api/keys/", workspace=workspace)

    def make_key(self, wish: KeyWish) -> NewKey:
        """Make an API key; the answer alone holds the key itself."""
        return self._create("/api/keys/", wish)

    def revoke_key(self, key_id: str, *, workspace: str | None = None) -> Key:
        """End an API key for good, and with it every browser that it signed in."""
        return self._delete(f"/api/keys/{segment(key_id)}/", workspace=workspace)

    def workspaces(self) -> WorkspaceList:
        """List the workspaces by name."""
        return self._get("/api/workspaces/")

    def make_workspace(self, name: str) -> Workspace:
        """Make a workspace, which nobody can come into before it has a key."""
        return self._create("/api/workspaces/", {"name": name})
