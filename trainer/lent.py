"""Access to objects that the launcher lends for a while: used, and replaced by newer before it lapses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.job import InvalidSpec

if TYPE_CHECKING:
    import boto3

MANDATORY_SECONDS, ADVISORY_SECONDS = (
    300,
    900,
)  # before they lapse: when newer are needed, and first asked for


class LentCredentials(BaseModel):
    """OBJECT_CREDENTIALS; the names are botocore's, but for ``news_uri``, where newer ones are put."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    access_key: str
    secret_key: str
    token: str
    expiry_time: str
    news_uri: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read them.

        Raises:
            InvalidSpec: They are not as the launcher writes them; the text shows none of them.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            where = ", ".join(".".join(map(str, problem["loc"])) or "all" for problem in error.errors())
            raise InvalidSpec(
                [f"OBJECT_CREDENTIALS: is not what the launcher writes (wrong: {where})"]
            ) from None

    def session(self) -> boto3.Session:
        """Make a session that renews itself."""
        # imported here: a job on file:// never pays for it
        import boto3  # noqa: PLC0415
        from botocore.credentials import RefreshableCredentials  # noqa: PLC0415
        from botocore.session import get_session  # noqa: PLC0415

        holder = _Holder(self)
        session = get_session()
        session._credentials = RefreshableCredentials.create_from_metadata(  # type: ignore[attr-defined]  # noqa: SLF001 - botocore has no other way in
            metadata=holder.now(),
            refresh_using=holder.newer,
            method="lent",
            advisory_timeout=ADVISORY_SECONDS,
            mandatory_timeout=MANDATORY_SECONDS,
        )
        return boto3.Session(botocore_session=session)


class _Holder:
    """The credentials last read."""

    def __init__(self, lent: LentCredentials) -> None:
        self._lent = lent

    def now(self) -> dict[str, str]:
        return self._lent.model_dump(exclude={"news_uri"})

    def newer(self) -> dict[str, str]:
        """Fetch newer ones with those that are still good; botocore goes on with the old where it can, if this fails."""
        import boto3  # noqa: PLC0415 - as above

        old, (bucket, _, key) = self._lent, self._lent.news_uri.removeprefix("s3://").partition("/")
        client: Any = boto3.Session(old.access_key, old.secret_key, old.token).client("s3")
        try:
            self._lent = LentCredentials.model_validate(
                json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read())
            )
        finally:
            client.close()
        return self.now()
