"""`python -m services.metering` serves; `python -m services.metering migrate` applies the migrations."""

from services.metering.app import MIGRATIONS, SERVICE, build_app
from services.metering.settings import Settings
from shared.process import main

main(SERVICE, Settings, build_app, MIGRATIONS)
