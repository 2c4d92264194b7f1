"""Templates: values in their places, in the form that the place needs, byte for byte."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import made, outcome, problem, problems, read

from envinject.errors import BadValue, Failures, ManifestError, NotFound
from envinject.secret import Secret
from envinject.template import FORMS, Part, parse, render

VALUE = "p/s w'\"\\$ö\n"


def rendered(text: str, **values: str | bytes) -> bytes:
    secrets = {name: Secret(value if isinstance(value, bytes) else value.encode()) for name, value in values.items()}
    return render(parse(text), secrets).reveal()


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", ()),
        ("plain", ("plain",)),
        ("${A}", (Part("A"),)),
        ("x${A:url}y${B}", ("x", Part("A", "url"), "y", Part("B"))),
        ("$$", ("$",)),
        ("$${A}", ("${A}",)),
        ("$$$$5 ${A}$$", ("$$5 ", Part("A"), "$")),
        ("}{", ("}{",)),
    ],
)
def test_a_template_is_text_and_places(text, pieces):
    assert parse(text) == pieces


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("$", "a '$' in a template begins no ${NAME}"),
        ("$A", "a '$' in a template begins no ${NAME}"),
        ("x $ y", "a '$' in a template begins no ${NAME}"),
        ("${A", "a '$' in a template begins no ${NAME}"),
        ("${}", "'' in a template is no variable name"),
        ("${2}", "'2' in a template is no variable name"),
        ("${A B}", "'A B' in a template is no variable name"),
        ("${A:}", "a template has no form ''"),
        ("${A:URL}", "a template has no form 'URL'"),
        ("${A:url:json}", "a template has no form 'url:json'"),
    ],
)
def test_what_is_no_template_is_told_with_a_way_to_mend_it(text, what):
    error = outcome(lambda: parse(text), ManifestError)
    assert error.what == what
    assert error.hint


def test_each_form_is_what_its_place_needs():
    assert rendered("${A}", A=VALUE) == VALUE.encode()
    assert rendered("${A:url}", A=VALUE) == quote(VALUE, safe="").encode()
    assert json.loads(rendered("[${A:json}]", A=VALUE)) == [VALUE]
    assert base64.b64decode(rendered("${A:base64}", A=VALUE)) == VALUE.encode()
    assert (
        subprocess.run(
            ["/bin/sh", "-c", rendered("printf %s ${A:shell}", A=VALUE)], capture_output=True, check=True
        ).stdout
        == VALUE.encode()
    )


@given(st.binary(max_size=40))
def test_any_bytes_come_back_from_the_forms_that_can_hold_them(data):
    assert rendered("${A}", A=data) == data
    assert unquote_to_bytes(rendered("${A:url}", A=data)) == data
    assert base64.b64decode(rendered("${A:base64}", A=data)) == data


@given(st.text(max_size=60))
def test_any_text_is_a_template_or_our_error(text):
    pieces = outcome(lambda: parse(text), ManifestError)
    assert isinstance(pieces, tuple | ManifestError)
    assert parse(text.replace("$", "$$")) == ((text,) if text else ())


def test_what_is_no_text_is_no_json():
    error = outcome(lambda: rendered("${A:json}", A=b"\xff"), BadValue)
    assert "A is not UTF-8 text" in error.what


# In a manifest


def values(text: str, **environ: str) -> dict[str, str]:
    return {one.name: one.value.reveal().decode() for one in made(text, environ=environ)}


def test_secrets_literals_templates_and_what_is_inherited_have_their_places():
    text = """
    [secrets]
    PASSWORD = "env://SOURCE"
    [env]
    URL = { template = "db://${USER_NAME}:${PASSWORD:url}@${HOST_NAME}" }
    LINE = { template = "<${URL}>" }
    USER_NAME = "me"
    """
    found = values(text, SOURCE="p/w", HOST_NAME="db")
    assert (found["URL"], found["LINE"]) == ("db://me:p%2Fw@db", "<db://me:p%2Fw@db>")


def test_what_an_expansion_makes_can_be_used():
    Path("x.env").write_text("user=me\npassword=pw\n")
    text = '[secrets]\nDB = { provider = "dotenv", id = "x.env", expand = true }\n'
    assert values(f'{text}[env]\nU = {{ template = "${{DB_USER}}:${{DB_PASSWORD}}" }}\n')["U"] == "me:pw"


def test_a_name_that_an_expansion_did_not_make_is_not_found():
    Path("x.env").write_text("user=me\n")
    text = (
        '[secrets]\nDB = { provider = "dotenv", id = "x.env", expand = true }\n[env]\nU = { template = "${DB_PORT}" }\n'
    )
    (error,) = outcome(lambda: made(text), Failures).errors
    assert isinstance(error, NotFound)
    assert (error.what, error.where) == ("the template needs DB_PORT, which is not set", "U, secrets.toml:4, env.U")


def test_an_optional_secret_that_is_missing_stops_what_is_made_of_it():
    text = '[secrets]\nA = { provider = "env", id = "NO", required = false }\n[env]\nU = { template = "${A}" }\n'
    (error,) = outcome(lambda: made(text), Failures).errors
    assert isinstance(error, NotFound)


def test_secret_parts_make_a_secret():
    text = '[secrets]\nA = "env://X"\n[env]\nB = "b"\nC = { template = "${A}" }\nD = { template = "${B}" }\n'
    text += 'E = { template = "${C}" }\n'
    assert {one.name: one.is_secret for one in made(text, environ={"X": "x"})} == {
        "A": True,
        "B": False,
        "C": True,
        "D": False,
        "E": True,
    }


@pytest.mark.parametrize("form", FORMS)
def test_every_form_works_in_a_manifest(form):
    assert values(f'[env]\nA = "a"\nB = {{ template = "${{A:{form}}}" }}\n')["B"]


def test_a_name_that_nobody_sets_is_told_with_a_near_one():
    error = problem('[env]\nPASSWORD = "x"\nU = { template = "${PASWORD}" }\n')
    assert (error.what, error.where) == ("the template needs PASWORD, which nobody sets", "secrets.toml:3, env.U")
    assert error.hint.startswith("did you mean 'PASSWORD'?")


@pytest.mark.parametrize(
    ("text", "circle"),
    [
        ('A = { template = "${A}" }', "A needs A"),
        ('A = { template = "${B}" }\nB = { template = "${A}" }', "A needs B needs A"),
        ('X = { template = "${A}" }\nA = { template = "${B}" }\nB = { template = "${A}" }', "A needs B needs A"),
    ],
)
def test_a_circle_is_told_once_with_its_members(text, circle):
    assert problem(f"[env]\n{text}\n").what == f"templates in a circle: {circle}"


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("{}", "a literal is a string"),
        ("{ template = 1 }", "'template' must be text"),
        ('{ template = "$" }', "a '$' in a template begins no ${NAME}"),
    ],
)
def test_what_is_none_is_told_with_its_place(value, what):
    error = problem(f"[env]\nA = {value}\n")
    assert error.what == what
    assert error.where.startswith("secrets.toml:2, env.A")


def test_an_unknown_field_is_told():
    assert problems('[env]\nA = { template = "x", form = "url" }\n')[0].what == "a variable of [env] has no 'form'"


def test_a_nul_byte_in_a_part_is_refused():
    Path("x").write_bytes(b"a\0b")
    text = '[secrets]\nX = "file://x"\n[env]\nU = { template = "${X:base64}" }\n'
    assert {type(error) for error in outcome(lambda: made(text), Failures).errors} == {BadValue}


def test_order_in_the_manifest_does_not_matter():
    text = '[env]\nA = { template = "${B}" }\nB = { template = "${C}" }\nC = "c"\n'
    assert [one.name for one in read(text).templates] == ["B", "A"]
    assert values(text)["A"] == "c"


# In a run


def test_a_credential_that_is_withheld_does_not_come_back_in_a_template(launch, manifest):
    path = manifest('[providers.kakaocloud]\n[env]\nU = { template = "${KAKAOCLOUD_TOKEN}" }\n')
    done = launch("-f", path, "--", "printenv", "U", environ={"KAKAOCLOUD_TOKEN": "canary-5c1e"})
    assert done.returncode == 66
    assert b"canary" not in done.stdout + done.stderr


def test_what_is_not_inherited_can_be_used_all_the_same(launch, manifest):
    path = manifest('[env]\nU = { template = "<${PLACE}>" }\n')
    done = launch("-f", path, "--pristine", "--", "/usr/bin/env", environ={"PLACE": "here"})
    assert done.stdout == b"U=<here>\n"


def test_only_reads_what_a_template_needs_and_injects_the_template_alone(launch, manifest):
    path = manifest(
        '[secrets]\nA = "env://X"\nB = "env://NOT_THERE"\n[env]\nC = { template = "${A}" }\nU = { template = "${C}" }\n'
    )
    done = launch("-f", path, "--only", "U", "--pristine", "--", "/usr/bin/env", environ={"X": "x"})
    assert (done.stdout, done.stderr) == (b"U=x\n", b"")


def test_plan_tells_what_it_is_made_of(launch, manifest):
    path = manifest('[secrets]\nA = "env://X"\n[env]\nU = { template = "${A}${HOME}" }\n')
    rows = json.loads(launch("plan", "-f", path, "--json").stdout)["variables"]
    assert [row["made_of"] for row in rows] == [[], ["A", "HOME"]]
    assert b"a template of A, HOME" in launch("plan", "-f", path).stdout
