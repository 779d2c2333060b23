# SPDX-License-Identifier: GPL-2.0-or-later
"""The Varlink interface: what it says it is, and whether its replies are that."""

import json
import os

import harness
from harness import PF, SimTest, needs_users
from idl import Interface
from simhost import namespace, nvme

FILE = os.path.join(harness.HERE, "..", "..", "daemon", "io.vfctl.Manager.varlink")
SERVICE = "org.varlink.service."


def read_file():
    with open(FILE, encoding="utf-8") as f:
        return f.read()


class ServiceTest(SimTest):
    def test_get_info(self):
        info = self.host().call(SERVICE + "GetInfo")
        self.assertEqual(sorted(info), ["interfaces", "product", "url", "vendor", "version"])
        self.assertEqual(sorted(info["interfaces"]), ["io.vfctl.Manager", "org.varlink.service"])
        self.assertEqual((info["vendor"], info["product"]), ("vfctl", "vfctld"))

    def test_description_is_the_file(self):
        host = self.host()
        text = host.call(SERVICE + "GetInterfaceDescription", interface="io.vfctl.Manager")["description"]
        self.assertEqual(text, read_file())

    def test_description_of_the_service(self):
        text = self.host().call(SERVICE + "GetInterfaceDescription", interface="org.varlink.service")["description"]
        service = Interface(text)
        self.assertEqual(sorted(service.methods), ["GetInfo", "GetInterfaceDescription"])
        self.assertEqual(sorted(service.errors), ["ExpectedMore", "InterfaceNotFound", "InvalidParameter",
                                                  "MethodNotFound", "MethodNotImplemented", "PermissionDenied"])

    def test_errors_of_the_service(self):
        host = self.host()
        for method, parameters, error, told in (
                (SERVICE + "GetInterfaceDescription", {"interface": "a.b"}, "InterfaceNotFound", {"interface": "a.b"}),
                (SERVICE + "GetInterfaceDescription", {}, "InvalidParameter", {"parameter": "interface"}),
                (SERVICE + "GetInfo", {"x": 1}, "InvalidParameter", {"parameter": "x"}),
                ("io.vfctl.Manager.Nonsense", {}, "MethodNotFound", {"method": "io.vfctl.Manager.Nonsense"}),
                ("io.example.Other.Method", {}, "InterfaceNotFound", {"interface": "io.example.Other"}),
                ("io.vfctl.Manager.GetStatus", {"x": None}, "InvalidParameter", {"parameter": "x"}),
                ("io.vfctl.Manager.Release", {}, "InvalidParameter", {"parameter": "lease"}),
                ("io.vfctl.Manager.Monitor", {}, "ExpectedMore", {})):
            with self.subTest(method=method, parameters=parameters):
                self.assertEqual(self.fails(SERVICE + error, host.call, method, **parameters).parameters, told)

    def test_every_method_is_implemented(self):
        host = self.host()
        for method in Interface(read_file()).methods:
            with self.subTest(method=method):
                host.call(method) if method in ("Rescan", "Reload") else None
                link = host.connect()
                link.send(method, {"no such parameter": 1}, more=True)
                message = link.receive()
                self.assertEqual((message["error"], message["parameters"]),
                                 (SERVICE + "InvalidParameter", {"parameter": "no such parameter"}))

    def test_calls_are_answered_in_order_and_oneway_not_at_all(self):
        host = self.host()
        link = host.connect()
        for n in range(10):
            link.send("GetStatus", {}, oneway=True)
            link.send("ListVFs", {"address": f"0000:01:{n:02x}.0"})
            link.send(SERVICE + "GetInterfaceDescription", {"interface": f"x.{n}"})
        for n in range(10):
            self.assertEqual(link.reply(), {"vfs": host.call("ListVFs", address=f"0000:01:{n:02x}.0")["vfs"]})
            self.assertEqual(link.receive()["parameters"], {"interface": f"x.{n}"})

    def test_no_parameters_is_as_good_as_empty_ones(self):
        link = self.host().connect()
        for parameters in (None, {}):
            link.send("GetStatus", parameters)
            self.assertIn("status", link.reply())
        link.send_raw(b'{"method":"io.vfctl.Manager.GetStatus","parameters":null}\0')
        self.assertIn("status", link.reply())


class TypeTest(SimTest):
    """Every reply against the interface file: names and types of all fields."""

    def setUp(self):
        self.interface = Interface(read_file())
        self.checked = set()

    def check(self, method, reply):
        self.checked.add(method)
        self.interface.check(self.interface.methods[method][1], reply, method)

    def check_error(self, error):
        self.interface.check(self.interface.errors[error.name], error.parameters, error.name)

    def test_replies(self):
        host = self.host([PF("0000:01:00.0", netdev="enp1s0"), nvme("0000:05:00.0"), PF("0000:09:00.0", driver=""),
                          PF("0000:0d:00.0", driver="ixgbe")])
        pf = host.tree.pfs["0000:01:00.0"]
        watch = host.connect()
        watch.send("Monitor", {}, more=True)
        host.status()
        red = host.vm(vm="web1", hand_off="node")
        held = host.vm(vm="web2")
        self.check("Acquire", host.call("Acquire", tenant="red", pool="disk", vm="web3", lifetime="kept"))
        host.faults(f"op=scrub address={red.vfs[0]} error=EIO")
        host.call("Release", lease=held.lease["id"])
        red.kill()
        host.wait_state(red.vfs[0], "quarantined")
        harness.wait_for(lambda: host.vf(held.vfs[0])["holders"])
        host.write_policy(harness.default_policy(pools={
            "net": {"class": "network", "functions": [{"driver": "igb"}], "vfs": 3},
            "disk": {"class": "storage", "functions": [{"driver": "nvme"}], "vfs": 2}}))
        self.check("Reload", host.call("Reload"))
        for method in ("GetStatus", "ListPFs", "ListVFs", "ListLeases", "ListPools", "ListTenants", "Plan", "Rescan"):
            reply = host.call(method)
            self.check(method, reply)
            if method != "Rescan":
                self.assertTrue(next(iter(reply.values())), f"{method}: {reply}, so it proves nothing")
        self.check("GetEvidence", host.call("GetEvidence", address=red.vfs[0]))
        with host.tree.controller("0000:05:00.0") as state:
            state["namespaces"] = [namespace(3, controllers=[0, 1])]
        reply = host.call("GetController", address="0000:05:00.0")
        self.check("GetController", reply)
        self.assertEqual([n["controllers"] for n in reply["controller"]["namespaces"]], [[0, 1]])
        host.count(pf.address, {0: [1] * 8, 1: None})
        reply = host.call("GetStatistics")
        self.check("GetStatistics", reply)
        self.assertEqual({s["known"] for s in reply["statistics"]}, {"known", "unknown"})
        host.faults()
        self.check("Quarantine", host.call("Quarantine", address=red.vfs[0], reason="a test"))
        self.check("Clear", host.call("Clear", address=red.vfs[0], reason="a test"))
        held.kill()
        host.wait_state(held.vfs[0], "ready")
        for method, parameters in (("Reserve", {"tenant": "red", "vm": "db1", "wants": [{"pool": "net"}]}),
                                   ("ListReservations", {}), ("Unreserve", {"tenant": "red", "vm": "db1"}),
                                   ("Explain", {"tenant": "red", "pool": "net"}), ("Drain", {"address": "0000:05:00.0"}),
                                   ("Undrain", {"address": "0000:05:00.0"})):
            self.check(method, host.call(method, **parameters))
        policy = harness.default_policy()
        policy["tenants"]["red"]["max_lease"] = "1h"
        host.write_policy(policy)
        host.call("Reload")
        self.check("Renew", host.call("Renew", lease=next(iter(host.leases()))))
        for reply in host.connect().call_more("Apply", destructive=True):
            self.check("Apply", reply)
        for lease in host.leases():
            self.check("Release", host.call("Release", lease=lease))
        kinds = set()
        while not kinds >= {"vf", "lease", "policy"}:
            event = watch.receive()["parameters"]
            self.check("Monitor", event)
            kinds.add(event["event"]["kind"])
        self.assertEqual(self.checked, set(self.interface.methods))
        self.assertEqual(pf.total, 4)

    def test_errors(self):
        host = self.host()
        with self.assertRaises(harness.VarlinkError) as caught:
            host.call("Release", lease="x")
        self.check_error(caught.exception)
        host.write_policy('{"version": 2, "x": {}}')
        with self.assertRaises(harness.VarlinkError) as caught:
            host.call("Reload")
        self.assertEqual(caught.exception.name, "PolicyInvalid")
        self.check_error(caught.exception)
        self.check("GetStatus", host.call("GetStatus"))

    @needs_users
    def test_replies_to_tenants(self):
        host = self.host()
        red = host.vm(vm="web1")
        for method in ("GetStatus", "ListVFs", "ListLeases", "ListPools", "ListTenants"):
            reply = red.call(method)
            self.check(method, reply)
            self.assertTrue(next(iter(reply.values())))

    def test_filters(self):
        host = self.host([PF("0000:01:00.0"), nvme("0000:05:00.0", total=2)])
        host.wait_all_ready(6)
        vm = host.vm(vm="web1")
        vf = vm.vfs[0]
        for filters, count in (({}, 6), ({"pool": "net"}, 4), ({"pf": "0000:05:00.0"}, 2), ({"address": vf}, 1),
                               ({"state": "leased"}, 1), ({"state": "ready"}, 5), ({"pool": "disk", "state": "leased"}, 0),
                               ({"pool": "none"}, 0), ({"address": None, "pool": "net"}, 4)):
            with self.subTest(filters=filters):
                self.assertEqual(len(host.call("ListVFs", **filters)["vfs"]), count)
        self.assertEqual(host.call("ListLeases", lease=vm.lease["id"])["leases"], [vm.lease | {"ending": False}])

    def test_vfctl_json_has_the_same_fields(self):
        host = self.host()
        host.wait_all_ready(4)
        for verb, method, key in (("vfs", "ListVFs", "vfs"), ("pfs", "ListPFs", "pfs"), ("pools", "ListPools", "pools"),
                                  ("tenants", "ListTenants", "tenants"), ("leases", "ListLeases", "leases")):
            with self.subTest(verb=verb):
                result = host.vfctl("list", verb, "--json")
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                shown = json.loads(result.stdout)
                self.assertEqual(shown[key] if isinstance(shown, dict) else shown, host.call(method)[key])
