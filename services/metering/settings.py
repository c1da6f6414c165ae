"""Where metering's servers are. The environment is read here and nowhere else."""

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    database_url: str
    redis_url: str
    amqp_url: str
