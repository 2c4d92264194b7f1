"""Task definitions of Amazon ECS: `containerDefinitions[].secrets[]` (name, valueFrom) and `environment[]`.

Source: "Specifying sensitive data" of the ECS developer guide.
"""

from __future__ import annotations

from .source import has, items, table, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..manifest.document import Node
    from .draft import Draft

_MANAGER, _PARAMETERS = "aws-secrets-manager", "aws-parameter-store"


def is_one(documents: Sequence[Node]) -> bool:
    """Whether it is a task definition, also as `describe-task-definition` shows it, or a list of containers."""
    (first, *_) = documents
    return bool(_containers(first)) and all(isinstance(one.value, dict) for one in _containers(first))


def carry(documents: Sequence[Node], draft: Draft) -> None:
    """Carry the secrets of all containers over."""
    regions: dict[str, str] = {}
    for container in _containers(documents[0]):
        for secret in items(container, "secrets"):
            name, source = text(secret, "name"), text(secret, "valueFrom")
            if name and source:
                draft.add(name, _fields(source, draft, regions), secret.place)
            else:
                draft.lose("a secret without name or valueFrom", secret.place, "mend it there first")
        for variable in items(container, "environment"):
            draft.add_literal(text(variable, "name"), variable.place)
        _tell_the_rest(container, draft)


def _containers(document: Node) -> Sequence[Node]:
    bare = [one for one in items(document) if has(one, "secrets") or has(one, "image")]
    return items(document, "containerDefinitions") or items(document, "taskDefinition", "containerDefinitions") or bare


def _tell_the_rest(container: Node, draft: Draft) -> None:
    for file in items(container, "environmentFiles"):
        draft.lose(
            "a file of variables in S3", file.place, "fetch it, and hand it to --env-file or the provider dotenv"
        )
    for option in items(container, "logConfiguration", "secretOptions"):
        draft.lose("a secret of the log driver", option.place, "it is not the container's: leave it in the definition")
    if has(container, "repositoryCredentials"):
        where = table(container)["repositoryCredentials"].place
        draft.lose("the credentials of the registry", where, "they are not the container's: leave them there")


def _fields(source: str, draft: Draft, regions: dict[str, str]) -> Mapping[str, str]:
    """The coordinates in a `valueFrom`: an ARN of one of two services, or the name of a parameter."""
    parts = source.split(":", 6)
    if len(parts) < 6 or parts[0] != "arn":
        return {"provider": _store(_PARAMETERS, "", draft, regions), "id": source}
    service, region = parts[2], parts[3]
    if service != "secretsmanager" or len(parts) < 7:
        name = source.split(":", 5)[5]
        return {"provider": _store(_PARAMETERS, region, draft, regions), "id": name.removeprefix("parameter")}
    name, key, stage, version, *_ = [*parts[6].split(":"), "", "", ""]
    fields = {"provider": _store(_MANAGER, region, draft, regions), "id": name}
    given = {"version": version, "stage": stage, "key": key}
    return fields | {field: value for field, value in given.items() if value}


def _store(name: str, region: str, draft: Draft, regions: dict[str, str]) -> str:
    """A store for each service, and one more for each region after the first."""
    first = regions.setdefault(name, region) if region else regions.get(name, "")
    service = "AWS Secrets Manager" if name == _MANAGER else "AWS Systems Manager Parameter Store"
    name = name if region in ("", first) else f"{name}-{region}"
    return draft.store(name, note=f"was: {service}{f' in {region}' if region else ''}")
