//! What the machine, the container and the cluster that we run in show of themselves. Reading is apart from concluding,
//! which is pure.

/// What the machine, the container and the cluster show of themselves.
#[derive(Debug, Clone, Default)]
pub(super) struct Machine {
    /// The kernel's name of it.
    pub(super) name: Option<String>,
    /// `/etc/machine-id`.
    pub(super) id: Option<String>,
    /// `/proc/self/cgroup`, in which container engines leave the container's id with version 1 of cgroups.
    cgroup: Option<String>,
    /// `/proc/self/mountinfo`, in which they leave it otherwise.
    mounts: Option<String>,
    /// Of the cluster: its variables, and where its files say the namespace.
    pod: Option<Pod>,
}

/// What Kubernetes shows a pod, by the downward API's usual variables.
#[derive(Debug, Clone, Default)]
struct Pod {
    name: Option<String>,
    uid: Option<String>,
    namespace: Option<String>,
    node: Option<String>,
    container: Option<String>,
}

impl Machine {
    /// Reads what there is.
    pub(super) fn read() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).ok();
        let line = |path: &str| said(read(path)?.trim());
        Self {
            name: line("/proc/sys/kernel/hostname"),
            id: line("/etc/machine-id").or_else(|| line("/var/lib/dbus/machine-id")),
            cgroup: read("/proc/self/cgroup"),
            mounts: read("/proc/self/mountinfo"),
            // The cluster sets it in every container.
            pod: variable("KUBERNETES_SERVICE_HOST").map(|_| Pod {
                // A pod's host name is its own name, unless its specification says another.
                name: variable("K8S_POD_NAME")
                    .or_else(|| variable("POD_NAME"))
                    .or_else(|| variable("HOSTNAME")),
                uid: variable("K8S_POD_UID").or_else(|| variable("POD_UID")),
                namespace: variable("K8S_NAMESPACE_NAME")
                    .or_else(|| variable("POD_NAMESPACE"))
                    .or_else(|| line("/var/run/secrets/kubernetes.io/serviceaccount/namespace")),
                node: variable("K8S_NODE_NAME").or_else(|| variable("NODE_NAME")),
                container: variable("K8S_CONTAINER_NAME").or_else(|| variable("CONTAINER_NAME")),
            }),
        }
    }

    /// OpenTelemetry's attributes of it.
    pub(super) fn attributes(self) -> Vec<(&'static str, String)> {
        let container = self.cgroup.as_deref().and_then(container_of_cgroup);
        let container = container.or_else(|| self.mounts.as_deref().and_then(container_of_mounts));
        let pod = self.pod.unwrap_or_default();
        let found = [
            ("host.name", self.name),
            ("host.id", self.id),
            ("container.id", container),
            ("k8s.pod.name", pod.name),
            ("k8s.pod.uid", pod.uid),
            ("k8s.namespace.name", pod.namespace),
            ("k8s.node.name", pod.node),
            ("k8s.container.name", pod.container),
        ];
        let there = |(name, value): (&'static str, Option<String>)| Some((name, value?));
        found.into_iter().filter_map(there).collect()
    }
}

fn variable(name: &str) -> Option<String> {
    said(std::env::var(name).ok()?.trim())
}

fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The last part of a path, without what systemd puts around it: `…/docker-ID.scope`, `…/docker/ID`.
fn container_of_cgroup(cgroup: &str) -> Option<String> {
    let parts = cgroup.lines().filter_map(|line| line.rsplit('/').next());
    let mut bare = parts.map(|part| {
        let part = part.strip_suffix(".scope").unwrap_or(part);
        part.rsplit('-').next().unwrap_or(part)
    });
    bare.find(|part| is_container_id(part)).map(str::to_owned)
}

/// Files of the container that its engine puts there, such as `/etc/hostname`, are mounted from
/// `…/containers/ID/…`.
fn container_of_mounts(mounts: &str) -> Option<String> {
    let mut after = mounts.lines().filter_map(|line| line.split_once("/containers/"));
    after.find_map(|(_, rest)| {
        let id = rest.split(['/', ' ']).next()?;
        is_container_id(id).then(|| id.to_owned())
    })
}

/// All engines name containers by a SHA-256 in hexadecimal digits.
fn is_container_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_container_is_found_where_engines_leave_its_id() {
        for cgroup in [
            format!("12:memory:/docker/{ID}\n"),
            format!("0::/system.slice/docker-{ID}.scope"),
            format!("1:name=systemd:/kubepods/besteffort/pod1-2/cri-containerd-{ID}.scope\n0::/"),
        ] {
            assert_eq!(container_of_cgroup(&cgroup).as_deref(), Some(ID), "{cgroup}");
        }
        assert_eq!(container_of_cgroup("0::/user.slice/session-1.scope"), None);
        let mounts = format!(
            "1 2 8:1 / / rw - ext4 /dev/sda1 rw\n3 4 8:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/sda1 rw"
        );
        assert_eq!(container_of_mounts(&mounts).as_deref(), Some(ID));
        assert_eq!(container_of_mounts("3 4 8:1 /containers/short/x / rw"), None);
    }

    #[test]
    fn only_what_is_known_becomes_an_attribute() {
        assert_eq!(Machine::default().attributes(), []);
        let machine = Machine {
            id: Some("m".to_owned()),
            pod: Some(Pod {
                node: Some("n".to_owned()),
                ..Pod::default()
            }),
            ..Machine::default()
        };
        let wanted = [("host.id", "m"), ("k8s.node.name", "n")];
        assert_eq!(
            machine.attributes(),
            wanted.map(|(name, value)| (name, value.to_owned()))
        );
    }
}
