# SPDX-License-Identifier: GPL-2.0-or-later
"""From nothing to ready, to a VM, and back."""

import os

import harness
from harness import PF, SimTest, wait_for
from simhost import nvme

KERNELS = {"group": "group", "both": "group", "cdev": "iommufd"}


class StartTest(SimTest):
    def test_all_vfs_become_ready(self):
        host = self.host([PF("0000:01:00.0"), PF("0000:05:00.0", total=8), nvme("0000:09:00.0", total=2)])
        host.wait_all_ready(14)
        status = host.status()
        self.assertEqual((status["pfs"], status["vfs"], status["leases"]), (3, 14, 0))
        self.assertEqual({k: n for k, n in status["vf_states"].items() if n}, {"ready": 14})
        self.assertTrue(status["ready"])
        self.assertTrue(status["policy_valid"])
        self.assertEqual((status["problems"], status["policy_errors"]), ([], []))
        for address, vf in host.vfs().items():
            self.assertEqual(host.tree.driver(address), "vfio-pci")
            self.assertEqual(host.tree.device(address, "driver_override"), "vfio-pci")
            self.assertTrue(host.fenced(address))
            self.assertEqual((vf["isolated"], vf["reason"], vf["lease"], vf["group"]),
                             (True, "none", None, host.tree.group(address)))

    def test_no_host_driver_ever_touches_a_vf(self):
        host = self.host()
        order = [(op, value) for op, _, value, error in host.operations(address="0000:01:00.0")]
        self.assertEqual(order, [("autoprobe", 0), ("numvfs", 4)])
        self.assertFalse(os.path.exists(host.tree.path("sys/bus/pci/drivers/igbvf")))

    def test_each_vf_costs_one_bind_and_one_fence(self):
        host = self.host([PF("0000:01:00.0", total=16)])
        host.wait_all_ready(16)
        for vf in host.tree.pfs["0000:01:00.0"].vfs:
            self.assertEqual([op for op, *_ in host.operations(address=vf)], ["bind", "fence"])

    def test_ready_is_told_once_everything_is_settled(self):
        host = self.host([PF("0000:01:00.0", total=8)], start=False)
        host.faults("op=fence delay=100")
        host.daemon.start()
        self.assertEqual(set(host.states().values()), {"ready"})

    def test_pf_without_pool_is_left_alone(self):
        host = self.host([PF("0000:01:00.0"), PF("0000:05:00.0", driver="ixgbe")])
        host.wait_all_ready(4)
        self.assertEqual(host.operations(address="0000:05:00.0"), [])
        pfs = {pf["address"]: pf["pool"] for pf in host.call("ListPFs")["pfs"]}
        self.assertEqual(pfs, {"0000:01:00.0": "net", "0000:05:00.0": None})

    def test_existing_vfs_of_host_drivers_are_not_taken(self):
        """VFs that were there first, in use by a host driver: shown, with the reason, and never taken by surprise."""
        host = self.host(start=False)
        host.enable_by_hand("0000:01:00.0", 4)
        self.assertEqual(host.tree.driver(host.tree.pfs["0000:01:00.0"].vf(0)), "igbvf")
        host.daemon.start()
        for vf in host.vfs().values():
            self.assertEqual((vf["state"], vf["reason"], vf["driver"]), ("unbound", "host-driver", "igbvf"))
        self.assertEqual(host.operations("bind"), [])

    def test_host_driver_that_shows_only_for_a_moment(self):
        """While a host driver is being loaded the driver link shows it, though autoprobe keeps it off; no event tells."""
        host = self.host(start=False)
        host.enable_by_hand("0000:01:00.0", 4)
        host.daemon.start()
        self.assertEqual({vf["reason"] for vf in host.vfs().values()}, {"host-driver"})
        for address in host.vfs():
            os.unlink(host.tree.path("sys/bus/pci/devices", address, "driver"))
        host.wait_all_ready(4)

    def test_kernels(self):
        for kernel, fence in KERNELS.items():
            with self.subTest(kernel=kernel):
                host = self.host(kernel=kernel)
                host.wait_all_ready(4)
                status = host.status()
                self.assertEqual((status["fence_backend"], status["can_fd"], status["can_node"]),
                                 (fence, kernel != "group", kernel != "cdev"))

    def test_forced_fence_backend(self):
        for backend in ("group", "iommufd"):
            with self.subTest(backend=backend):
                host = self.host(options=("--fence", backend))
                host.wait_all_ready(4)
                self.assertEqual(host.status()["fence_backend"], backend)

    def test_stop_is_clean_and_keeps_fences(self):
        host = self.host()
        host.wait_all_ready(4)
        host.daemon.stop()
        self.assertEqual(host.daemon.process.returncode, 0)
        self.assertEqual(len(host.daemon.systemd.stored()), 4)
        for vf in host.tree.pfs["0000:01:00.0"].vfs:
            self.assertTrue(host.fenced(vf))


class LeaseTest(SimTest):
    def cycle(self, host, end, **acquire):
        """A VM gets a VF, writes into it, goes away; the next one gets it clean."""
        vm = host.vm(vm="web1", **acquire)
        vf = vm.vfs[0]
        record = host.vf(vf)
        self.assertEqual((record["state"], record["tenant"], record["vm"], record["lease"]),
                         ("leased", "red", "web1", vm.lease["id"]))
        self.assertEqual(list(host.leases()), [vm.lease["id"]])
        vm.do("write", text="red secret")
        before = host.resets(vf)
        end(vm)
        host.wait_state(vf, "ready")
        self.assertEqual(host.resets(vf), before + 1)
        self.assertEqual(host.leases(), {})
        self.assertTrue(host.fenced(vf))
        host.check_invariants()
        blue = host.vm(vm="web2", count=4)
        self.assertEqual(blue.do("read")["found"], [""] * 4)

    def test_owner_is_killed(self):
        for kernel in KERNELS:
            with self.subTest(kernel=kernel):
                self.cycle(self.host(kernel=kernel), lambda vm: vm.kill())

    def test_owner_ends(self):
        for kernel in KERNELS:
            with self.subTest(kernel=kernel):
                self.cycle(self.host(kernel=kernel), lambda vm: vm.end())

    def test_owner_releases(self):
        for kernel in KERNELS:
            with self.subTest(kernel=kernel):
                def release(vm):
                    vm.do("drop")
                    vm.call("Release", lease=vm.lease["id"])
                self.cycle(self.host(kernel=kernel), release)

    def test_node_hand_off_where_both_are_possible(self):
        self.cycle(self.host(), lambda vm: vm.kill(), hand_off="node")

    def test_iommufd_fence_and_node_hand_off(self):
        self.cycle(self.host(options=("--fence", "iommufd")), lambda vm: vm.kill(), hand_off="node")

    def test_fd_hand_off(self):
        host = self.host()
        vm = host.vm()
        reply = vm.acquire(count=3, hand_off="fd")
        self.assertEqual(vm.lease["hand_off"], "fd")
        self.assertEqual(len(vm.vfs), 3)
        self.assertEqual(sorted(i for d in reply["devices"] for i in (d["device_fd"], d["iommufd_fd"])), list(range(6)))
        for device in reply["devices"]:
            self.assertIsNone(device["node"])
            self.assertEqual(device["group"], host.tree.group(device["address"]))

    def test_daemon_keeps_no_copy_of_what_it_hands_over(self):
        host = self.host(kernel="cdev")
        vm = host.vm(count=2)
        for vf in vm.vfs:
            wait_for(lambda: host.tree.node(vf) not in host.daemon.fds())
            self.assertFalse([n for n in host.daemon.systemd.stored() if vf.replace(":", "_") in n])
        self.assertEqual([fd for fd in host.daemon.fds() if "memfd" in fd], [])

    def test_node_hand_off_gives_the_node_and_takes_it_back(self):
        host = self.host(kernel="group")
        vm = host.vm(vm="web1")
        node = host.tree.node(vm.vfs[0])
        uid = harness.uid_of("red")
        self.assertEqual(open(node + ".owner").read().split()[0], str(uid))
        if harness.MANY_USERS:
            self.assertEqual((os.stat(node).st_uid, os.stat(node).st_mode & 0o777), (uid, 0o600))
        vf = vm.vfs[0]
        vm.kill()
        host.wait_state(vf, "ready")
        self.assertEqual(open(node + ".owner").read().split()[0], "0")

    def test_kept_lease_outlives_its_client(self):
        host = self.host()
        vm = host.vm(vm="web1", lifetime="kept")
        self.assertEqual(vm.lease["pid"], 0)
        vm.end()
        other = host.vm(vm="web2")  # proof that the daemon has seen the end of the first
        other.end()
        host.wait_state(other.vfs[0], "ready")
        self.assertEqual(host.vf(vm.vfs[0])["state"], "leased")
        host.call("Release", lease=vm.lease["id"])
        host.wait_state(vm.vfs[0], "ready")

    def test_lease_for_another_process(self):
        host = self.host()
        target, helper = host.vm().greet(), host.vm()
        helper.acquire(pid=target.pid, hand_off="node")
        self.assertEqual(helper.lease["pid"], target.pid)
        helper.end()
        self.assertEqual(host.vf(helper.vfs[0])["state"], "leased")
        target.kill()
        host.wait_state(helper.vfs[0], "ready")

    def test_closing_the_connection_does_not_end_the_lease(self):
        host = self.host()
        vm = host.vm(vm="web1")
        vm.do("disconnect")
        host.status()
        self.assertEqual(host.vf(vm.vfs[0])["state"], "leased")
        self.assertEqual(vm.do("bind")["bound"], vm.vfs)

    def test_vfctl_run(self):
        for kernel in ("group", "cdev"):
            with self.subTest(kernel=kernel):
                host = self.host(kernel=kernel)
                host.wait_all_ready(4)
                vm = harness.VM(host, "red", [f"{harness.binaries()}/vfctl", "run", "--tenant", "red", "--pool", "net",
                                              "--vm", "web1", "--count", "2", "--", *host.vm_command()])
                got = vm.greet().do("inherit")
                lease = host.leases()[got["lease"]]
                self.assertEqual((lease["pid"], lease["vfs"], lease["vm"]), (vm.pid, got["vfs"], "web1"))
                self.assertEqual(vm.do("bind")["bound"], got["vfs"])
                self.assertEqual(got["iommufds"], 2 if kernel == "cdev" else 0)
                vm.kill()
                host.wait_all_ready(4)
                self.assertEqual([host.resets(vf) for vf in got["vfs"]], [1, 1])

    def test_memlock_is_raised_to_what_the_tenant_may_lock(self):
        policy = harness.default_policy()
        policy["tenants"]["red"]["memlock"] = "4G"
        host = self.host(policy=policy)
        vm = host.vm(vm="web1", memory=1 << 30)
        self.assertEqual(host.tree.read(f"sim/memlock/{vm.pid}").split()[1], str(4 << 30))

    def test_too_little_memlock_is_refused(self):
        policy = harness.default_policy()
        policy["tenants"]["red"]["memlock"] = "1G"
        host = self.host(policy=policy)
        self.refused("memlock", host.vm().acquire, memory=2 << 30)
        host.wait_all_ready(4)

    def test_many_cycles_leak_nothing(self):
        host = self.host([PF("0000:01:00.0", total=8)])
        host.wait_all_ready(8)
        vms = [host.vm() for _ in range(4)]

        def turn(n):
            for vm in vms:
                vm.acquire(count=2, vm=f"turn{n}")
            for vm in vms:
                vm.do("drop")
                host.call("Release", lease=vm.lease["id"])
            host.wait_all_ready(8)
        for n in range(3):
            turn(n)
        fds, count, memory = host.daemon.kept_fds(), len(host.daemon.fds()), host.daemon.memory()
        for n in range(20):
            turn(n)
        self.assertEqual(host.daemon.kept_fds(), fds)
        self.check_closed(host, count)
        self.check_growth(host, memory, 1024)
        self.assertEqual(len(host.daemon.systemd.stored()), 8)
        host.check_invariants()

    def test_release_of_a_held_vf_waits_for_the_holder(self):
        """The VMM keeps its descriptor: the VF is not ready before that ends, and vfctl says who it is."""
        for kernel in KERNELS:
            for bound in (True, False):
                if kernel == "group" and not bound:
                    continue  # an open group is always exclusive
                with self.subTest(kernel=kernel, bound=bound):
                    host = self.host(kernel=kernel)
                    vm = host.vm(vm="web1")
                    vf = vm.vfs[0]
                    if not bound:
                        vm.do("unbind")
                    host.call("Release", lease=vm.lease["id"])
                    wait_for(lambda: host.vf(vf)["holders"])
                    record = host.vf(vf)
                    self.assertEqual((record["state"], record["reason"]), ("reclaiming", "held"))
                    self.assertEqual([h["pid"] for h in record["holders"]], [vm.pid])
                    self.assertEqual(host.resets(vf), 0)
                    self.refused("pool-empty", host.vm().acquire, count=4)
                    vm.kill()
                    self.assertEqual(host.wait_state(vf, "ready")["holders"], [])
                    self.assertEqual(host.resets(vf), 1)

    def test_descriptor_in_flight_keeps_a_vf_from_the_pool(self):
        """A descriptor that only a socket's queue holds is in no process; the VF must not be ready all the same."""
        host = self.host(kernel="cdev", options=("--worker-timeout", "2"))
        link = host.connect()
        link.send("Acquire", {"tenant": "red", "pool": "net", "vm": "x", "lifetime": "kept"})
        wait_for(lambda: [v for v in host.vfs().values() if v["state"] == "leased"])
        lease = next(iter(host.leases().values()))
        host.call("Release", lease=lease["id"])
        wait_for(lambda: host.vf(lease["vfs"][0])["state"] in ("reclaiming", "stuck"))
        self.assertEqual(host.resets(lease["vfs"][0]), 0)
        link.reply()
        link.close()  # with the descriptors in it
        host.wait_state(lease["vfs"][0], "ready")


class MonitorTest(SimTest):
    def test_events_of_a_lease(self):
        host = self.host([PF("0000:01:00.0", total=1)])
        host.wait_all_ready(1)
        watch = host.connect()
        watch.send("Monitor", {}, more=True)
        host.status()  # the watch was asked for before this
        vm = host.vm(vm="web1")
        vf = vm.vfs[0]
        vm.kill()
        seen = []
        while not seen or seen[-1][:3] != ("lease", None, "ended"):
            message = watch.receive()
            self.assertTrue(message["continues"])
            event = message["parameters"]["event"]
            seen.append((event["kind"], event["old"], event["new"]))
            if event["kind"] == "vf":
                self.assertEqual(event["address"], vf)
            if event["kind"] == "lease":
                self.assertEqual((event["lease"], event["tenant"], event["vm"]), (vm.lease["id"], "red", "web1"))
        changes = [(old, new) for kind, old, new in seen if kind == "vf" and old != new]
        self.assertEqual(changes, [("ready", "leasing"), ("leasing", "leased"), ("leased", "reclaiming"),
                                   ("reclaiming", "ready")])
        self.assertEqual([new for kind, _, new in seen if kind == "lease"], ["begun", "ending", "ended"])

    def test_monitor_needs_more(self):
        host = self.host()
        self.fails("org.varlink.service.ExpectedMore", host.call, "Monitor")
