"""What other proxies let a caller choose in a body, and this one does not: where a request goes, and as whom."""

from __future__ import annotations

from adapters import ir

FIELDS = frozenset(
    (
        "api_base", "base_url", "api_key", "api_version", "organization", "custom_llm_provider", "azure_endpoint",
        "headers", "extra_headers", "default_headers", "extra_query", "default_query", "proxy", "proxies",
        "http_client", "user_config", "litellm_credential_name", "litellm_params", "credential", "credentials",
        "azure_ad_token", "vertex_credentials", "vertex_project", "vertex_location",
        "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_region_name", "aws_role_name",
        "aws_session_name", "aws_profile_name", "aws_web_identity_token", "aws_sts_endpoint",
        "aws_bedrock_runtime_endpoint",
    )
)  # fmt: skip
"""Top-level fields that no vendor's API has; a backend that is such a proxy itself would follow them."""


def refuse(top: ir.Extras) -> None:
    """Raise ir.Invalid (400) for a body that names an address or a credential."""
    if FIELDS.isdisjoint(top):
        return
    name = next(name for name in top if name in FIELDS)
    message = (
        f"'{name}' is not allowed in a request: where it goes, and with which key and headers, is set by the operator "
        "in proxy.yaml. Leave it out."
    )
    raise ir.Invalid(message, name, "unsupported_parameter")
