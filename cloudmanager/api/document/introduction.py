"""What the document says before it comes to the operations."""

TITLE = "CloudManager"

TEXT = """\
Fleet manager for data centres: power of physical machines, their inventory, and the work on them.

**Tokens.** Send one in `X-Auth-Token`. Each operation names the least role that it takes by default; a
role includes those before it: `reader`, `member`, `admin`. `x-policy` is the operation's rule in the
policy.

**Compute portal.** Operations below `/api/cloud/compute` are for tenants, and take a token of their issuer in
`Authorization: Bearer`; whoever has one has the role `tenant`, in the project of the token. Wrong values are
400 there.

**Paths.** A slash at the end is optional everywhere; it is shown once. `/sign` and what is below it, and
`/domains/actions/get-store` are also answered without `/v1`.

**Bodies.** JSON objects in UTF-8. Unknown fields and parameters are refused, never ignored.

**Lists.** Everything, unless `limit` is given; then `Link` leads to the next page. Any filter takes a
plain value or an operator before it: `name=like:%lab%`, `rack_number=gte:4`, `id=in:1,2,3`,
`power_state=null:true`. `eq:` is for values that begin like an operator.

**Times.** UTC in whole seconds without a zone: `2024-03-05T10:12:40`.

**Work that takes time.** 202 with `Location`, which names the task; read it there.

**Errors.** One form for all; `message` says what is wrong and how to get out of it. 405 (with `Allow`)
and 431 can come from any path. `X-Openstack-Request-Id` is in every answer, in the log and in the tasks
that the request started.
"""

SECURITY = "A token of the configured strategy; `cloudmanager token create` makes one, or Keystone does."
