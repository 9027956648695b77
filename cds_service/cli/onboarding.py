"""What an EHR's analyst must type in on the other side, for one client of the registry."""

from __future__ import annotations

from cds_service.knowledge.load import Knowledge
from cds_service.settings import Settings
from cds_service.trust.client import Client
from cds_service.trust.jwt import LONGEST_LIFE_S


def for_the_analyst(client: Client, settings: Settings, knowledge: Knowledge) -> str:
    """The settings of the EHR, as lines to hand over."""
    credentials = client.credentials
    base = settings.base_url
    lines = ["On the EHR's side, type in:", f"  discovery      {base}/cds-services"]
    for service in knowledge.services.values():
        lines.append(f"  {service.hook:<14} {base}/cds-services/{service.id}")
    lines += [
        f"  feedback       {base}/cds-services/<service>/feedback",
        f"  JWT 'aud'      {', '.join(credentials.audiences) or 'the URL of the service that is called'}",
        f"  JWT 'iss'      {credentials.issuer}",
        f"  JWT 'alg'      one of {', '.join(credentials.algorithms)}",
        f"  JWT 'jku'      {' or '.join(credentials.jku) or 'left out'}",
        f"  JWT life       at most {LONGEST_LIFE_S // 60} minutes; kid, iat, exp and a new jti in each",
    ]
    if credentials.subject:
        lines.append(f"  JWT 'sub'      {credentials.subject}")
    lines += [
        "  prefetch       as discovery says; for EHRs that do not read it:",
        f"                 cds-service prefetch-table --client {client.name}",
        "  scopes         read access to Patient, Encounter, Observation, Condition and MedicationRequest,",
        "                 and for order-select the scope for unsigned orders",
        f"  time-out       above {client.deadline_ms} ms, which is when this service answers at the latest",
        "",
        f"Then: cds-service client test {client.name} --token <a token of the EHR>",
    ]
    return "\n".join(lines)
