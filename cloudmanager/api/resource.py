"""`Resource`: one declaration gives list, count, get, create, update, delete, filters, paging and OpenAPI.

It knows CRUD only. What one resource alone needs is a plain function in that resource's file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flask import Response, request
from sqlalchemy import select

from cloudmanager.api import etags
from cloudmanager.api.answers import answer, nothing
from cloudmanager.api.document.answers import Answer
from cloudmanager.api.idempotency import keep
from cloudmanager.api.listing import list_answer
from cloudmanager.api.operation import Decorator, listed, operation, wrapped
from cloudmanager.api.query import NO_QUERY, ListQuery, Options, Window
from cloudmanager.api.services import services
from cloudmanager.errors import NotFound
from cloudmanager.tokens import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask_smorest import Blueprint
    from marshmallow import Schema
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import InstrumentedAttribute, Session

    from cloudmanager.api.filters import Filter
    from cloudmanager.api.reading import Source
    from cloudmanager.models import Base

Variables = dict[str, int]
"""The ids in the path, by the names that the path gives them."""

COUNT = {
    "type": "object",
    "required": ["count"],
    "properties": {
        "count": {"type": "integer", "minimum": 0, "description": "How many there are.", "examples": [60]}
    },
}


@dataclass(frozen=True)
class Parent:
    """The object that the rows belong to: `column` holds its id, which the path calls `variable`."""

    noun: str
    variable: str
    model: type[Base]
    column: InstrumentedAttribute[Any]


@dataclass(frozen=True, kw_only=True)
class Resource:
    """Rows of one table as objects of the API.

    `prepare` turns a checked body into values of columns, given the present row (None: a new one) and the ids
    in the path. `release` refuses to delete what is in use. What is not given is not offered.

    `options` of lists and single objects choose the `view`, the source that shows them. `detail` adds what
    only a single object shows. `observed` are fields that nobody writes: `If-Match` does not look at them.
    `read_errors` are statuses that a list or a single object answers besides the usual ones.
    """

    blueprint: Blueprint
    path: str
    noun: str
    plural: str
    model: type[Base]
    source: Source
    shape: Schema
    fields: Mapping[str, Filter]
    parent: Parent | None = None
    create_body: Schema | None = None
    update_body: Schema | None = None
    prepare: Callable[[Session, dict[str, Any], Any, Variables], dict[str, Any]] | None = None
    release: Callable[[Session, Any], None] | None = None
    options: Options = NO_QUERY
    view: Callable[[Mapping[str, Any]], Source] | None = None
    detail: Callable[[Session, dict[str, Any]], dict[str, Any]] | None = None
    observed: frozenset[str] = frozenset()
    read_errors: tuple[int, ...] = ()
    countable: bool = True
    read_role: Role = Role.READER
    write_role: Role = Role.ADMIN

    @property
    def variable(self) -> str:
        """What paths call the object's id."""
        return f"{self.noun}_id"

    @property
    def item_path(self) -> str:
        """The path of one object."""
        return f"{self.path}<id:{self.variable}>"

    def register(self) -> Resource:
        """Serve what has been declared."""
        self._serve_list()
        if self.countable:
            self._serve_count()
        self._serve_get()
        if self.create_body is not None:
            self._serve_create(self.create_body)
        if self.update_body is not None:
            self._serve_update(self.update_body)
        if self.release is not None:
            self._serve_delete(self.release)
        return self

    # What the functions of a resource's file use too.

    def show(
        self,
        session: Session,
        key: int,
        variables: Variables | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """One object as the API shows it; raises `NotFound`."""
        source = self._source(Window(options=options or {}))
        shown = source.one(session, key, self._scope(variables or {}))
        if shown is None:
            raise self.missing(key)
        return self.detail(session, shown) if self.detail else shown

    def one(
        self, shown: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Response:
        """The answer that is this object."""
        return etags.tagged(answer({self.noun: shown}, status, headers), shown, self.observed)

    def check_fresh(self, session: Session, key: int, variables: Variables | None = None) -> None:
        """Raise `Stale` unless the object is still what `If-Match` says, if the caller sent one."""
        if etags.are_asked_for():
            etags.check_fresh(self.show(session, key, variables), self.observed)

    def row(self, session: Session, key: int, variables: Variables | None = None) -> Any:
        """One row to change, kept from other writers until the transaction ends; raises `NotFound`."""
        query = select(self.model).where(*self._scope(variables or {}), self.source.key == key)
        row = session.scalar(query.with_for_update())
        if row is None:
            raise self.missing(key)
        return row

    def insert(self, session: Session, values: Mapping[str, Any]) -> int:
        """Add a row and answer its id."""
        row: Any = self.model(**values)
        session.add(row)
        session.flush()
        key: int = row.id
        return key

    def change(self, session: Session, row: Any, values: Mapping[str, Any]) -> None:
        """Change a row."""
        for name, value in values.items():
            setattr(row, name, value)
        session.flush()

    def created(self, shown: dict[str, Any]) -> Response:
        """The answer to a create."""
        location = f"{request.path.rstrip('/')}/{shown['id']}"
        return self.one(shown, 201, {"Location": location})

    def missing(self, key: int) -> NotFound:
        """The error for an id that there is not."""
        return NotFound(f"there is no {self.title} {key}")

    @property
    def title(self) -> str:
        """The noun for people."""
        return self.noun.replace("_", " ")

    # The operations.

    def _serve_list(self) -> None:
        query = ListQuery(self.fields, options=self.options)
        answers = {200: Answer(listed(self.shape, self.plural), headers=("Link",))}

        @self._operation("GET", self.path, "list", query=query, answers=answers, errors=self.read_errors)
        def list_objects(query: Window, **variables: int) -> Response:
            return list_answer(self._source(query), self._window(query, variables), self.plural)

    def _serve_count(self) -> None:
        query = ListQuery(self.fields, sortable=False)

        @self._operation("GET", f"{self.path}count", "count", query=query, answers={200: COUNT})
        def count_objects(query: Window, **variables: int) -> Response:
            window = self._window(query, variables)
            with services().database.reading() as session:
                return answer({"count": self.source.count(session, window)})

    def _serve_get(self) -> None:
        answers = {200: wrapped(self.shape, self.noun), 304: etags.NOT_MODIFIED}
        declared = {
            "query": self.options,
            "answers": answers,
            "errors": self.read_errors,
            "conditional": True,
        }

        @self._operation("GET", self.item_path, "get", **declared)
        def get_object(query: Mapping[str, Any] | None = None, **variables: int) -> Response:
            key = variables.pop(self.variable)
            with services().database.reading() as session:
                return self.one(self.show(session, key, variables, query))

    def _serve_create(self, body: Schema) -> None:
        answers = {201: wrapped(self.shape, self.noun)}

        @self._operation("POST", self.path, "create", body=body, answers=answers, errors=(409,))
        def create_object(body: dict[str, Any], **variables: int) -> Response:
            with services().database.transaction() as session:
                self._check_parent(session, variables)
                values = self.prepare(session, body, None, variables) if self.prepare else body
                if self.parent is not None:
                    values[self.parent.column.key] = variables[self.parent.variable]
                shown = self.show(session, self.insert(session, values), variables)
                return keep(session, self.created(shown))

    def _serve_update(self, body: Schema) -> None:
        answers = {200: wrapped(self.shape, self.noun)}
        declared = {"body": body, "answers": answers, "errors": (409,), "conditional": True}

        @self._operation("PUT", self.item_path, "update", **declared)
        def update_object(body: dict[str, Any], **variables: int) -> Response:
            key = variables.pop(self.variable)
            with services().database.transaction() as session:
                row = self.row(session, key, variables)
                self.check_fresh(session, key, variables)
                values = self.prepare(session, body, row, variables) if self.prepare else body
                self.change(session, row, values)
                return self.one(self.show(session, key, variables))

    def _serve_delete(self, release: Callable[[Session, Any], None]) -> None:
        declared = {"answers": {204: None}, "errors": (409,), "conditional": True}

        @self._operation("DELETE", self.item_path, "delete", **declared)
        def delete_object(**variables: int) -> Response:
            key = variables.pop(self.variable)
            with services().database.transaction() as session:
                row = self.row(session, key, variables)
                self.check_fresh(session, key, variables)
                release(session, row)
                session.delete(row)
            return nothing()

    def _operation(self, method: str, rule: str, verb: str, **declared: Any) -> Decorator:
        """An operation named and described by what it does to which noun, with the role for its method."""
        many = verb in ("list", "count")
        noun = self.plural if many else self.noun
        if self.parent is not None:
            noun = f"{self.parent.noun}_{noun}"
        return operation(
            self.blueprint,
            method,
            rule,
            role=self.read_role if method == "GET" else self.write_role,
            name=f"{verb}_{noun}",
            summary=f"{verb.capitalize()} {noun.replace('_', ' ')}",
            wrapper=self.noun if "body" in declared else None,
            **declared,
        )

    def _source(self, window: Window) -> Source:
        return self.view(window.options) if self.view and window.options else self.source

    def _window(self, window: Window, variables: Variables) -> Window:
        """The window within the parent, which must exist."""
        if self.parent is None:
            return window
        with services().database.reading() as session:
            self._check_parent(session, variables)
        return replace(window, where=(*window.where, *self._scope(variables)))

    def _scope(self, variables: Variables) -> tuple[ColumnElement[bool], ...]:
        if self.parent is None:
            return ()
        return (self.parent.column == variables[self.parent.variable],)

    def _check_parent(self, session: Session, variables: Variables) -> None:
        if self.parent is None:
            return
        key = variables[self.parent.variable]
        if session.get(self.parent.model, key) is None:
            raise NotFound(f"there is no {self.parent.noun.replace('_', ' ')} {key}")
