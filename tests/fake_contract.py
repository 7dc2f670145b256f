"""What the two providers accept and charge, as rules: a request goes in, the reasons it is wrong come out."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why a provider refuses a request: its own code and status, and the parameter that is wrong."""

    code: str
    message: str
    parameter: str = ""
    status: int = 400


# --- OpenRouter ------------------------------------------------------------------------------------------------

_COMMON = ("max_tokens", "response_format", "structured_outputs", "seed", "tools", "tool_choice", "reasoning")


@dataclass(frozen=True, slots=True)
class TextModelRule:
    """One text model: USD for a million tokens in and out, and the parameters it takes."""

    price_in: float
    price_out: float
    parameters: tuple[str, ...]
    images: bool = True

    def cost(self, tokens_in: int, tokens_out: int) -> float:
        return round((tokens_in * self.price_in + tokens_out * self.price_out) / 1e6, 8)


TEXT_MODELS: dict[str, TextModelRule] = {
    "mistralai/mistral-small-2603": TextModelRule(0.15, 0.60, (*_COMMON, "temperature", "top_p", "stop")),
    "google/gemini-2.5-flash-lite": TextModelRule(0.10, 0.40, (*_COMMON, "temperature", "top_p", "stop")),
    "google/gemini-3.1-flash-lite": TextModelRule(0.25, 1.50, (*_COMMON, "temperature", "top_p", "stop")),
    "google/gemini-3.5-flash-lite": TextModelRule(0.30, 2.50, (*_COMMON, "temperature", "top_p", "stop")),
    "google/gemini-3.8-flash": TextModelRule(0.75, 3.75, (*_COMMON, "temperature", "top_p")),
    "openai/gpt-6-luna": TextModelRule(0.10, 0.50, (*_COMMON, "max_completion_tokens")),
    "openai/gpt-5-nano": TextModelRule(0.05, 0.40, (*_COMMON, "max_completion_tokens")),
    "openai/gpt-5.4-nano": TextModelRule(0.20, 1.25, (*_COMMON, "max_completion_tokens")),
    "openai/gpt-5-mini": TextModelRule(0.25, 2.00, (*_COMMON, "max_completion_tokens")),
    # Has response_format, not structured_outputs: the trap the contract warns of.
    "qwen/qwen3.7-flash": TextModelRule(0.10, 0.40, ("max_tokens", "response_format", "temperature", "seed")),
}

CHAT_FIELDS = frozenset(
    "model models messages response_format provider plugins reasoning temperature seed max_tokens"
    " max_completion_tokens usage modalities image_config stream tools tool_choice stop top_p user".split()
)
PROVIDER_FIELDS = frozenset(
    "require_parameters allow_fallbacks data_collection zdr order only ignore sort max_price quantizations".split()
)
NARROWING = frozenset("temperature seed max_tokens max_completion_tokens reasoning tools stop top_p".split())


def model_entry(model: str, rule: TextModelRule) -> Json:
    """One entry of `GET /models`; prices are strings, in USD for one token."""
    return {
        "id": model,
        "name": model,
        "created": 1780000000,
        "description": "",
        "context_length": 400_000,
        "architecture": {
            "modality": "text+image->text",
            "input_modalities": ["text", "image"],
            "output_modalities": ["text"],
            "tokenizer": "Other",
            "instruct_type": None,
        },
        "pricing": {"prompt": f"{rule.price_in / 1e6:.9f}", "completion": f"{rule.price_out / 1e6:.9f}"},
        "top_provider": {"context_length": 400_000, "max_completion_tokens": 64_000, "is_moderated": False},
        "per_request_limits": None,
        "supported_parameters": list(rule.parameters),
        "expiration_date": None,
    }


def check_chat(body: Any) -> list[Complaint]:
    """Everything that is wrong with the body of `POST /chat/completions`."""
    if not isinstance(body, dict):
        return [Complaint("invalid_request", "the body is not an object")]
    found = [Complaint("invalid_request", f"unknown field {name}", name) for name in body.keys() - CHAT_FIELDS]
    found += _check_models(body)
    found += _check_messages(body.get("messages"))
    found += _check_sampling(body)
    found += _check_routing(body)
    if body.get("response_format") is not None:
        found += _check_response_format(body["response_format"])
    return found


def missing_parameters(body: Json, rule: TextModelRule) -> list[str]:
    """The parameters sent that the model does not take; with `require_parameters` they leave no endpoint."""
    sent = {name for name in NARROWING if body.get(name) is not None}
    if (body.get("response_format") or {}).get("type") == "json_schema":
        sent.add("structured_outputs")
    return sorted(sent - set(rule.parameters))


def _check_models(body: Json) -> list[Complaint]:
    fallbacks = body.get("models")
    if not isinstance(body.get("model"), str) and not fallbacks:
        return [Complaint("invalid_request", "no model", "model")]
    if fallbacks is None:
        return []
    if not isinstance(fallbacks, list) or not 1 <= len(fallbacks) <= 3:
        return [Complaint("invalid_request", "models takes 1 to 3 ids", "models")]
    return []


def _check_messages(messages: Any) -> list[Complaint]:
    if not isinstance(messages, list) or not messages:
        return [Complaint("invalid_request", "no messages", "messages")]
    found: list[Complaint] = []
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in {"system", "user", "assistant", "tool"}:
            found.append(Complaint("invalid_request", "a message needs a role", "messages"))
        elif isinstance(message.get("content"), list):
            found += _check_parts(message["content"])
        elif not isinstance(message.get("content"), str):
            found.append(Complaint("invalid_request", "a message needs content", "messages"))
    return found


def _check_parts(parts: list[Any]) -> list[Complaint]:
    found: list[Complaint] = []
    for part in parts:
        if not isinstance(part, dict) or part.get("type") not in {"text", "image_url"}:
            found.append(Complaint("invalid_request", "unknown content part", "messages"))
        elif part["type"] == "image_url":
            url = (part.get("image_url") or {}).get("url", "")
            if not re.match(r"https?://|data:image/[a-z]+;base64,", url):
                found.append(Complaint("invalid_image", "an image is an http(s) or data:image URL", "messages"))
    if parts and isinstance(parts[0], dict) and parts[0].get("type") == "image_url":
        found.append(Complaint("invalid_request", "text comes before images", "messages"))
    return found


def _check_sampling(body: Json) -> list[Complaint]:
    found: list[Complaint] = []
    temperature, seed = body.get("temperature"), body.get("seed")
    if temperature is not None and not (_number(temperature) and 0 <= temperature <= 2):
        found.append(Complaint("invalid_request", "temperature is 0 to 2", "temperature"))
    if seed is not None and not _integer(seed):
        found.append(Complaint("invalid_request", "seed is an integer", "seed"))
    for name in ("max_tokens", "max_completion_tokens"):
        if body.get(name) is not None and not (_integer(body[name]) and body[name] > 0):
            found.append(Complaint("invalid_request", f"{name} is a positive integer", name))
    return found


def _check_routing(body: Json) -> list[Complaint]:
    found: list[Complaint] = []
    provider = body.get("provider") or {}
    found += [
        Complaint("invalid_request", f"unknown provider.{n}", "provider") for n in provider.keys() - PROVIDER_FIELDS
    ]
    if provider.get("data_collection") not in {None, "allow", "deny"}:
        found.append(Complaint("invalid_request", "data_collection is allow or deny", "provider"))
    reasoning = body.get("reasoning") or {}
    if "effort" in reasoning and "max_tokens" in reasoning:
        found.append(Complaint("invalid_request", "reasoning takes effort or max_tokens", "reasoning"))
    for plugin in body.get("plugins") or []:
        if not isinstance(plugin, dict) or not isinstance(plugin.get("id"), str):
            found.append(Complaint("invalid_request", "a plugin needs an id", "plugins"))
    return found


def _check_response_format(response_format: Any) -> list[Complaint]:
    if not isinstance(response_format, dict) or response_format.get("type") not in {
        "json_schema",
        "json_object",
        "text",
    }:
        return [Complaint("invalid_request", "unknown response_format", "response_format")]
    if response_format["type"] != "json_schema":
        return []
    wrapper = response_format.get("json_schema") or {}
    found: list[Complaint] = []
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", str(wrapper.get("name", ""))):
        found.append(Complaint("invalid_request", "json_schema.name is 1 to 64 of A-Za-z0-9_-", "response_format"))
    if wrapper.get("strict") is not True:
        found.append(Complaint("invalid_request", "json_schema.strict is not true", "response_format"))
    if not isinstance(wrapper.get("schema"), dict):
        return [*found, Complaint("invalid_request", "json_schema.schema is missing", "response_format")]
    return found + [
        Complaint("invalid_request", text, "response_format") for text in strict_schema_faults(wrapper["schema"])
    ]


def strict_schema_faults(schema: Any, path: str = "schema") -> list[str]:
    """Where a JSON schema breaks the strict rule: every object closed, every property required."""
    if not isinstance(schema, dict):
        return []
    found: list[str] = []
    properties = schema.get("properties")
    if "object" in _types(schema) or properties is not None:
        if schema.get("additionalProperties") is not False:
            found.append(f"{path} is not closed (additionalProperties: false)")
        if set(schema.get("required", [])) != set(properties or {}):
            found.append(f"{path} does not require all its properties")
    for name, child in (properties or {}).items():
        found += strict_schema_faults(child, f"{path}.{name}")
    found += strict_schema_faults(schema.get("items"), f"{path}[]")
    for name, child in (schema.get("$defs") or {}).items():
        found += strict_schema_faults(child, f"{path}.$defs.{name}")
    for index, child in enumerate(schema.get("anyOf") or []):
        found += strict_schema_faults(child, f"{path}|{index}")
    return found


def _types(schema: Json) -> list[str]:
    declared = schema.get("type", [])
    return declared if isinstance(declared, list) else [declared]


# --- Runware ---------------------------------------------------------------------------------------------------

_ANY_MODEL = frozenset(
    "taskType taskUUID model positivePrompt numberResults outputType outputFormat outputQuality ttl uploadEndpoint"
    " webhookURL includeCost deliveryMethod safety inputs".split()
)
_DIFFUSION = frozenset("width height steps CFGScale scheduler lora seed".split())
_NANO_SIZES = frozenset(
    "1024x1024 1264x848 848x1264 1200x896 896x1200 1376x768 768x1376 1152x928 928x1152 1584x672".split()
)


@dataclass(frozen=True, slots=True)
class ImageModelRule:
    """One image model: its price, the parameters it takes beside the common ones, its sizes and references."""

    price: float | None
    parameters: frozenset[str]
    references: int
    step: int = 16
    smallest: int = 128
    largest: int = 2048
    sizes: frozenset[str] | None = None
    resolution_only_with_references: bool = False
    price_with_references: float | None = None

    def cost(self, references: int) -> float | None:
        return self.price_with_references if references and self.price_with_references else self.price


_NANO = frozenset({"width", "height", "resolution", "seed"})
_SEEDREAM = frozenset({"width", "height", "resolution", "seed"})

IMAGE_MODELS: dict[str, ImageModelRule] = {
    "runware:400@4": ImageModelRule(0.0006, _DIFFUSION, 4, price_with_references=0.004),
    "runware:400@2": ImageModelRule(0.0008, _DIFFUSION, 4, price_with_references=0.005),
    "runware:400@6": ImageModelRule(0.0008, _DIFFUSION, 4, price_with_references=0.005),
    "google:nano-banana@2-lite": ImageModelRule(0.0336, _NANO, 14, sizes=_NANO_SIZES),
    "google:4@3": ImageModelRule(0.069, _NANO, 14, sizes=_NANO_SIZES, resolution_only_with_references=True),
    "google:nano-banana@2.1": ImageModelRule(0.069, _NANO, 14, sizes=_NANO_SIZES, resolution_only_with_references=True),
    "bytedance:seedream@4.5": ImageModelRule(0.04, _SEEDREAM, 14, largest=4096),
    "bytedance:seedream@5.0-lite": ImageModelRule(0.035, frozenset({"width", "height"}), 14, largest=4096),
    "bfl:5@1": ImageModelRule(0.03, frozenset({"width", "height", "seed"}), 8),
    "runware:100@1": ImageModelRule(0.0013, _DIFFUSION, 0, step=64),
    "runware:101@1": ImageModelRule(0.0038, _DIFFUSION | {"ipAdapters", "pulid"}, 0, step=64),
}


def check_envelope(task: Any) -> list[Complaint]:
    """What every Runware task needs: an object with a type and, but for ping and authentication, a UUID v4."""
    if not isinstance(task, dict) or not isinstance(task.get("taskType"), str):
        return [Complaint("invalidTaskType", "a task is an object with a taskType", "taskType")]
    if task["taskType"] in {"ping", "authentication"}:
        return []
    if not is_uuid4(task.get("taskUUID")):
        return [Complaint("invalidTaskUUID", "taskUUID is not a UUID v4", "taskUUID")]
    return []


def check_image_task(task: Json) -> list[Complaint]:
    """Everything that is wrong with one imageInference task."""
    rule = IMAGE_MODELS.get(str(task.get("model")))
    if rule is None:
        return [Complaint("unknownModel", f"unknown model {task.get('model')}", "model", 404)]
    known = _ANY_MODEL | rule.parameters
    found = [Complaint("unsupportedParameter", f"{name} is not a parameter here", name) for name in task.keys() - known]
    found += _check_size(task, rule)
    found += _check_prompt(task)
    found += _check_output(task)
    found += _check_inputs(task.get("inputs"), rule)
    return found


def references(task: Json) -> list[str]:
    """The reference pictures of a task."""
    return list((task.get("inputs") or {}).get("referenceImages") or [])


def is_uuid4(value: Any) -> bool:
    try:
        return isinstance(value, str) and uuid.UUID(value).version == 4 and str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False


def _check_size(task: Json, rule: ImageModelRule) -> list[Complaint]:
    width, height, resolution = task.get("width"), task.get("height"), task.get("resolution")
    if resolution is not None:
        if width is not None or height is not None:
            return [Complaint("invalidResolution", "resolution excludes width and height", "resolution")]
        if rule.resolution_only_with_references and not references(task):
            return [Complaint("invalidResolution", "resolution needs reference images", "resolution")]
        return []
    if rule.sizes is not None:
        text = f"{width}x{height} is not a size of this model"
        return [] if f"{width}x{height}" in rule.sizes else [Complaint("invalidSize", text, "width")]
    return [
        Complaint(f"invalidCustom{name.title()}", f"{name} is {rule.smallest} to {rule.largest} by {rule.step}", name)
        for name, value in (("width", width), ("height", height))
        if value is None or not (_within(value, rule.smallest, rule.largest) and value % rule.step == 0)
    ]


def _check_prompt(task: Json) -> list[Complaint]:
    prompt = task.get("positivePrompt")
    if not isinstance(prompt, str) or not 2 <= len(prompt) <= 3000:
        return [Complaint("invalidPositivePrompt", "positivePrompt is 2 to 3000 characters", "positivePrompt")]
    return []


def _check_output(task: Json) -> list[Complaint]:
    tests: list[tuple[str, bool]] = [
        ("numberResults", _within(task.get("numberResults", 1), 1, 20)),
        ("outputType", task.get("outputType", "URL") in {"URL", "base64Data", "dataURI"}),
        ("outputFormat", task.get("outputFormat", "JPG") in {"JPG", "PNG", "WEBP"}),
        ("outputQuality", _within(task.get("outputQuality", 90), 20, 99)),
        (
            "ttl",
            task.get("ttl") is None or (_within(task["ttl"], 60, 2**31) and task.get("outputType", "URL") == "URL"),
        ),
        ("deliveryMethod", task.get("deliveryMethod", "sync") in {"sync", "async", "stream"}),
        ("includeCost", isinstance(task.get("includeCost", False), bool)),
        ("seed", task.get("seed") is None or _within(task["seed"], 0, 2**63 - 1)),
        ("steps", task.get("steps") is None or _within(task["steps"], 1, 100)),
        ("safety", task.get("safety") is None or _good_safety(task["safety"])),
    ]
    return [
        Complaint(f"invalid{name[0].upper()}{name[1:]}", f"{name} is invalid", name) for name, good in tests if not good
    ]


def _good_safety(safety: Any) -> bool:
    if not isinstance(safety, dict) or safety.keys() - {"checkContent", "mode"}:
        return False
    return isinstance(safety.get("checkContent", True), bool) and safety.get("mode", "none") in {"none", "fast", "full"}


def _check_inputs(inputs: Any, rule: ImageModelRule) -> list[Complaint]:
    if inputs is None:
        return []
    if not isinstance(inputs, dict):
        return [Complaint("invalidInputs", "inputs is an object", "inputs")]
    images = inputs.get("referenceImages", [])
    if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
        return [Complaint("invalidReferenceImages", "referenceImages is a list of strings", "inputs")]
    if len(images) > rule.references:
        text = f"this model takes at most {rule.references} reference images"
        return [Complaint("maxReferenceImages", text, "inputs")]
    return []


def _within(value: Any, least: int, most: int) -> bool:
    return _integer(value) and bool(least <= value <= most)


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
