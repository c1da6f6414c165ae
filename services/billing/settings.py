"""What billing reads from the environment. The providers' settings may be empty."""

from pydantic import SecretStr

from services.billing.domain.payment_methods import Method
from shared.settings import ServiceSettings


class BillingSettings(ServiceSettings):
    database_url: str
    amqp_url: str
    stripe_secret_key: SecretStr = SecretStr("")
    stripe_webhook_secret: SecretStr = SecretStr("")
    btcpay_url: str = ""
    btcpay_public_url: str = ""
    btcpay_api_key: SecretStr = SecretStr("")
    btcpay_store_id: str = ""
    btcpay_webhook_secret: SecretStr = SecretStr("")

    @property
    def configured(self) -> frozenset[Method]:
        """The methods of which every setting is given."""
        settings_of = {
            Method.STRIPE: (self.stripe_secret_key, self.stripe_webhook_secret),
            Method.BTCPAY: (
                self.btcpay_url,
                self.btcpay_public_url,
                self.btcpay_api_key,
                self.btcpay_store_id,
                self.btcpay_webhook_secret,
            ),
        }
        return frozenset(method for method, values in settings_of.items() if all(map(len, values)))
