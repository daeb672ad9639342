"""Where the lake is: the store, the catalog and the connector that feeds the tables."""

from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlsplit

from eddy.schemas.errors import ConfigError

_SCHEMES = ("sqlite:///", "postgresql://", "glue:")


@dataclass(frozen=True, slots=True)
class LakeConfig:
    """Where tables rest and who writes them.

    Attributes
    ----------
    catalog : str
        ``sqlite:///FILE``, ``postgresql://USER@HOST:PORT/DATABASE`` or ``glue:`` (AWS Glue, of
        the account and region that the environment gives).
    catalog_password, catalog_password_file : str
        Of PostgreSQL; the file's content wins over the value.
    catalog_name : str
        The connector and everybody else must say the same.
    namespace : str
        The tables' namespace; a database in Glue and Athena.
    warehouse : str
        ``s3://BUCKET/PREFIX`` under which the tables' files are.
    endpoint : str
        URL of an S3 server other than that of AWS; empty for AWS.
    region : str
        Of the bucket.
    access_key_id, secret_access_key, secret_access_key_file : str
        Empty: whatever the AWS libraries find in the environment. The file's content wins.
    connect_url : str
        The REST address of the Connect worker.
    connect_prefix : str
        Begins the names of connectors and of their control topics.
    commit_interval_s : float
        The sink commits about this often: fewer files where it is longer.
    history : bool
        Whether the sink also feeds the history tables; wants ``engine.publish_scored``.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    catalog: str = "sqlite:///.eddy/lake/catalog.db"
    catalog_password: str = field(default="", repr=False)
    catalog_password_file: str = ""
    catalog_name: str = "lake"
    namespace: str = "eddy"
    warehouse: str = "s3://eddy-lake/warehouse"
    endpoint: str = ""
    region: str = "us-east-1"
    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)
    secret_access_key_file: str = ""
    connect_url: str = "http://127.0.0.1:8083"
    connect_prefix: str = "eddy"
    commit_interval_s: float = 30.0
    history: bool = False

    def __post_init__(self) -> None:
        if "@" in self.catalog and urlsplit(self.catalog).password:  # never shown
            raise ConfigError(
                "lake.catalog holds a password; give it as lake.catalog_password_file"
            )
        if not self.catalog.startswith(_SCHEMES):
            raise ConfigError(
                f"lake.catalog: {self.catalog}: begins with one of {', '.join(_SCHEMES)}"
            )
        if not self.warehouse.startswith("s3://") or not self.bucket:
            raise ConfigError(
                f"lake.warehouse: {self.warehouse}: wants the form s3://BUCKET/PREFIX"
            )
        if self.endpoint and not self.endpoint.startswith(("http://", "https://")):
            raise ConfigError(f"lake.endpoint: {self.endpoint}: is no http:// or https:// URL")
        if not self.commit_interval_s >= 0.5:
            raise ConfigError(f"lake.commit_interval_s: {self.commit_interval_s} is less than 0.5")
        if bool(self.access_key_id) != bool(self.secret_access_key or self.secret_access_key_file):
            raise ConfigError("lake.access_key_id and lake.secret_access_key go together")

    @property
    def bucket(self) -> str:
        """The warehouse's bucket."""
        return self.warehouse.removeprefix("s3://").partition("/")[0]
