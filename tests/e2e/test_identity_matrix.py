"""Who may call what: {transport} x {no, wrong, expired, each right identity} x every RPC of every service.

The RPCs are those of the files in proto/. One that is added fails here until ROLES says who may call it."""

import collections
import contextlib

import grpc
import pytest

import harness
from every_rpc import REFLECTION, REFLECTION_ALPHA, every_rpc, requests
from harness import Code
from people import People, bearer, utc
from stores import Store

PREDICT, READ, ADMIN = "predict", "read", "admin"
ANY = {PREDICT, READ, ADMIN}
PROBE = None  # nobody has to say who it is

OIP = "inference.GRPCInferenceService."
ROLES = {
    "grpc.health.v1.Health.Check": PROBE,
    "grpc.health.v1.Health.Watch": PROBE,
    REFLECTION: ANY,
    REFLECTION_ALPHA: ANY,
    OIP + "ServerLive": PROBE,
    OIP + "ServerReady": PROBE,
    OIP + "ServerMetadata": ANY,
    OIP + "ModelReady": {PREDICT, READ},
    OIP + "ModelMetadata": {PREDICT, READ},
    OIP + "ModelConfig": {PREDICT, READ},
    OIP + "ModelInfer": {PREDICT},
    OIP + "ModelStreamInfer": {PREDICT},
    OIP + "ModelStatistics": {READ},
    OIP + "RepositoryIndex": {READ},
    OIP + "RepositoryModelLoad": {ADMIN},
    OIP + "RepositoryModelUnload": {ADMIN},
    OIP + "SystemSharedMemoryStatus": {PREDICT, READ},
    OIP + "SystemSharedMemoryRegister": {PREDICT},
    OIP + "SystemSharedMemoryUnregister": {PREDICT},
    OIP + "CudaSharedMemoryStatus": {PREDICT, READ},
    OIP + "CudaSharedMemoryRegister": {PREDICT},
    OIP + "CudaSharedMemoryUnregister": {PREDICT},
    OIP + "TraceSetting": {ADMIN},
    OIP + "LogSettings": {ADMIN},
    "torchferry.v1.InferenceService.Predict": {PREDICT},
    "torchferry.v1.InferenceService.PredictStream": {PREDICT},
    "torchferry.v1.InferenceService.ListModels": {READ},
    "torchferry.v1.InferenceService.GetModel": {PREDICT, READ},
    "torchferry.v1.ModelAdminService.LoadModel": {ADMIN},
    "torchferry.v1.ModelAdminService.UnloadModel": {ADMIN},
}
# What a call comes to that is let in, where that is not OK.
COMES_TO = collections.defaultdict(lambda: Code.OK, {
    OIP + "SystemSharedMemoryRegister": Code.UNIMPLEMENTED,
    OIP + "CudaSharedMemoryRegister": Code.UNIMPLEMENTED,
    OIP + "TraceSetting": Code.UNIMPLEMENTED,
    OIP + "LogSettings": Code.UNIMPLEMENTED,
    "torchferry.v1.ModelAdminService.UnloadModel": Code.NOT_FOUND,  # it names a model that there is not
})

RIGHT = {"predictor": {PREDICT}, "reader": {READ}, "admin": {ADMIN}, "everything": ANY}
RPCS = every_rpc()


def expected(rpc, roles, closed_health=False):
    """The code of a cell; `roles`: of who calls, None for nobody who is known."""
    allowed = ROLES[rpc.name]
    if allowed is PROBE and not closed_health:
        return COMES_TO[rpc.name]
    if roles is None:
        return Code.UNAUTHENTICATED
    return COMES_TO[rpc.name] if roles & (allowed or ANY) else Code.PERMISSION_DENIED


class Plain:
    name = "plain"
    flags = ()
    certificates = {}  # no identity is known by one

    def channel(self, address, identity=None):
        return grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)])


TRANSPORTS = {transport.name: transport for transport in (Plain,)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("matrix")
    Store(folder / "store").add("mlp")
    return folder


def people_of_matrix(folder):
    """An identity of each set of roles, by token and by certificate, and one whose token has expired."""
    people = People(folder)
    for name, roles in RIGHT.items():
        people.add(name, " ".join(sorted(roles)), lines=[f"certificate dns:{name}.example"])
    people.add("former", "predict read admin", expires=utc(-60))
    return people


@pytest.fixture(scope="module")
def people(folder):
    return people_of_matrix(folder)


@contextlib.contextmanager
def server_of(transport, folder, people, *flags):
    store = Store(folder / "store")
    place = folder / f"server_{transport.name}_{len(list(folder.iterdir()))}"
    server = harness.Server(store, place, *people.flags(), *transport.flags, "--enable-admin", "--reflection", *flags)
    try:
        server.wait_listening()
        with transport.channel(server.address, "everything") as channel:
            loaded = next(rpc for rpc in RPCS if rpc.name == OIP + "ModelReady")
            request, who = requests()[OIP + "ModelReady"], people.metadata("everything")
            harness.wait_until(lambda: loaded.call(channel, request, who) == [b"\x08\x01"], server.log)
        yield server
        server.stop()
    finally:
        server.kill()
        print(f"--- log of the server\n{server.log()}")


def callers(people):
    """{who: (metadata, roles)}"""
    known = {name: (people.metadata(name), roles) for name, roles in RIGHT.items()}
    return {"no": ((), None), "wrong": (bearer("wrong"), None), "expired": (people.metadata("former"), None),
            "no bearer": ((("authorization", f"Basic {people.tokens['everything']}"),), None), **known}


def check_matrix(channel, cells, closed_health=False):
    """Each RPC by each caller; prints the matrix."""
    sent, wrong, rows = requests(), [], []
    for rpc in RPCS:
        codes = []
        for who, (metadata, roles) in cells.items():
            code = rpc.code(channel, sent.get(rpc.name, b""), metadata)
            codes.append(code.name)
            if code != (wanted := expected(rpc, roles, closed_health)):
                wrong.append(f"{rpc.name} by {who}: {code.name}, expected {wanted.name}")
        rows.append([rpc.name, *codes])
    for row in [["", *cells], *rows]:
        print(f"{row[0]:62}", *(f"{cell:18}" for cell in row[1:]))
    assert not wrong, "\n".join(wrong)


def test_each_rpc_has_its_row():
    assert {rpc.name for rpc in RPCS} == set(ROLES)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_matrix_of_tokens(transport, folder, people):
    transport = TRANSPORTS[transport]()
    with server_of(transport, folder, people) as server, transport.channel(server.address, "everything") as channel:
        check_matrix(channel, callers(people))


def test_matrix_of_closed_health(folder, people):
    with server_of(Plain(), folder, people, "--closed-health") as server, Plain().channel(server.address) as channel:
        check_matrix(channel, callers(people), closed_health=True)


def test_the_admin_address_has_the_same_gate(folder, people):
    with server_of(Plain(), folder, people, "--admin-address", "127.0.0.1:0") as server:
        with Plain().channel(server.ports["admin_address"]) as channel:
            sent = requests()
            for rpc in RPCS:
                if rpc.service == "grpc.health.v1.Health" or rpc.service == "torchferry.v1.InferenceService":
                    continue  # not there
                for who, (metadata, roles) in callers(people).items():
                    assert rpc.code(channel, sent.get(rpc.name, b""), metadata) == expected(rpc, roles), (rpc.name, who)


def test_what_no_service_has_is_unimplemented_to_all(folder, people):
    with server_of(Plain(), folder, people) as server, Plain().channel(server.address) as channel:
        for metadata, _ in callers(people).values():
            with harness.refused(Code.UNIMPLEMENTED):
                channel.unary_unary("/torchferry.v1.InferenceService/NotThere")(
                    b"", metadata=metadata, timeout=harness.DEADLINE_SECONDS)
