"""Card transactions: judged by the history of their card and their terminal.

A model scores every transaction; the labels that come later say how risky a terminal is, how right
the model was, and what the next one learns.
"""

from eddy.models.detectors.fraud.parameters import FraudParameters
from eddy.models.domain import Domain
from eddy.models.domains.transactions.default import default_model
from eddy.models.domains.transactions.judge import TransactionsJudge
from eddy.models.domains.transactions.policy import FIXED, TransactionsPolicy
from eddy.models.judge import Identity, Model
from eddy.schemas.transactions import Transaction


def build_judge(policy: TransactionsPolicy, model: Model, identity: Identity) -> TransactionsJudge:
    """Return a fresh judge."""
    return TransactionsJudge(policy, model, identity)


DOMAIN = Domain(
    name="transactions",
    event_type=Transaction,
    policy_type=TransactionsPolicy,
    parameters_type=FraudParameters,
    default_model=default_model,
    build_judge=build_judge,
    fixed=FIXED,
    has_shadow=True,
    is_labelled=True,
    partitions=1,
    kept_days=45,
)
