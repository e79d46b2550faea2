"""Code with which a recipient fetches its slice in its own program: curl, Python, R and Power BI, ready to copy."""

from string import Template
from typing import NamedTuple

from gateway.messages import Language, text
from gateway.settings import TOKEN_VARIABLE


class Snippet(NamedTuple):
    """One example: `id` in the page, the name of the program, and the text."""

    id: str
    title: str
    text: str


_CURL = """curl --fail --header "Authorization: Bearer $$$token" \\
  "$address" --output verzuim.csv"""
_PYTHON = """import io, os, urllib.request
import pandas as pd

request = urllib.request.Request(
    "$address",
    headers={"Authorization": "Bearer " + os.environ["$token"]},
)
with urllib.request.urlopen(request) as answer:
    table = pd.read_csv(
        io.BytesIO(answer.read()), sep=";",
        dtype={"area": "string", "band": "string", "pupils": "Int64", "share": "Int64"},
    )
# $empty
shown = table[table["status"] == "published"]"""
_R = """answer <- url(
  "$address",
  headers = c(Authorization = paste("Bearer", Sys.getenv("$token")))
)
table <- read.csv2(answer, encoding = "UTF-8",
  colClasses = c(area = "character", band = "character", pupils = "integer", share = "integer"))
# $empty
shown <- subset(table, status == "published")"""
# `RelativePath` and `Query` keep the host fixed, so that the service of Power BI can refresh it too.
_POWER_BI = """let
  // $secret
  Token = "",
  Answer = Web.Contents("$host", [
    RelativePath = "$path",
    Query = [format = "csv"],
    Headers = [Authorization = "Bearer " & Token]
  ]),
  Source = Csv.Document(Answer, [Delimiter = ";", Encoding = 65001, QuoteStyle = QuoteStyle.Csv]),
  Promoted = Table.PromoteHeaders(Source, [PromoteAllScalars = true]),
  Typed = Table.TransformColumnTypes(Promoted, {
    {"area", type text}, {"band", type text}, {"pupils", Int64.Type}, {"share", Int64.Type}
  }),
  // $empty
  Shown = Table.SelectRows(Typed, each [status] = "published")
in
  Shown"""
_ALL = (
    ("curl", "curl", _CURL),
    ("python", "Python (pandas)", _PYTHON),
    ("r", "R", _R),
    ("powerbi", "Power BI (M)", _POWER_BI),
)


def snippets(host: str, path: str, language: Language) -> list[Snippet]:
    """The examples for one table.

    Args:
        host: Address of the gateway, without a slash at its end.
        path: Path of the table under it, without a slash at its beginning.
        language: Of the comments.
    """
    facts = {
        "address": f"{host}/{path}?format=csv",
        "host": host,
        "path": path,
        "token": TOKEN_VARIABLE,
        "empty": text("pages", "code.empty", language),
        "secret": text("pages", "code.secret", language),
    }
    return [Snippet(each, title, Template(code).substitute(facts)) for each, title, code in _ALL]
