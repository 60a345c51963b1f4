//! Looking names up as the files of a machine say, with a name server that answers by a table.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};

use hickory_resolver::config::ResolverConfig;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use hickory_resolver::system_conf::parse_resolv_conf;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::name_servers::{NameServers, name_server};
use super::{Configured, Resolver};
use crate::connection::Error;

const V4: &str = "192.0.2.1";
const V6: &str = "2001:db8::1";

/// What the server says of a name: `nothing` of a family that it has no address of, `failure`, or an address. Of names that
/// are not in the table it says that they do not exist.
type Table = &'static [(&'static str, RecordType, &'static str)];

/// A name server on loopback; it stops when this is dropped.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(table: Table) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("loopback");
        let asked = Arc::new(Mutex::new(Vec::new()));
        Self {
            address: socket.local_addr().expect("bound"),
            asked: Arc::clone(&asked),
            task: tokio::spawn(async move { serve(&socket, table, &asked).await }),
        }
    }

    /// The names that were asked for, each once and in the order of the alphabet.
    fn asked(&self) -> Vec<String> {
        let mut names = self.asked.lock().expect("nobody panicked").clone();
        names.sort();
        names.dedup();
        names
    }

    /// What comes of a name with it as the only server of a file like `/etc/resolv.conf`.
    async fn find(&self, host: &str, resolv_conf: &str) -> Result<Vec<IpAddr>, Error> {
        let file = format!("nameserver 127.0.0.1\n{resolv_conf}\n");
        let (config, options) = parse_resolv_conf(file).expect("a file with a name server");
        let (domain, search, _) = config.into_parts();
        let config = ResolverConfig::from_parts(domain, search, vec![name_server(&self.address)]);
        let name_servers = NameServers::new(config, options).expect("a resolver");
        let name = host.parse().expect("a name");
        sorted(name_servers.find(host, &name).await?.addresses)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(socket: &UdpSocket, table: Table, asked: &Mutex<Vec<String>>) {
    let mut question = [0; 1500];
    while let Ok((length, client)) = socket.recv_from(&mut question).await {
        let question = Message::from_vec(&question[..length]).expect("a question");
        let query = question.queries[0].clone();
        let name = query.name().to_ascii();
        let name = name.trim_end_matches('.');
        asked.lock().expect("nobody panicked").push(name.to_owned());
        let mut answer = Message::response(question.id, question.op_code);
        answer.add_query(query.clone());
        let of_name = || table.iter().filter(|(known, ..)| *known == name);
        match of_name().find(|(_, family, _)| *family == query.query_type()) {
            Some((.., "failure")) => answer.metadata.response_code = ResponseCode::ServFail,
            Some((.., "nothing")) => {}
            Some((.., address)) => {
                let address: IpAddr = address.parse().expect("an address");
                answer.add_answer(Record::from_rdata(query.name().clone(), 60, RData::from(address)));
            }
            None if of_name().next().is_some() => {}
            None => answer.metadata.response_code = ResponseCode::NXDomain,
        }
        let bytes = answer.to_vec().expect("an answer");
        socket.send_to(&bytes, client).await.expect("sent");
    }
}

fn sorted(mut addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, Error> {
    addresses.sort();
    Ok(addresses)
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts
        .iter()
        .map(|text| text.parse().expect("an address"))
        .collect()
}

#[tokio::test]
async fn a_name_with_one_family_is_not_given_the_other_of_another_machine() {
    let server = Server::start(&[
        ("six.example.org", RecordType::AAAA, V6),
        ("six.example.org.corp.test", RecordType::A, V4),
    ])
    .await;
    let found = server.find("six.example.org", "search corp.test").await;
    assert_eq!(found, Ok(addresses(&[V6])));
    assert_eq!(server.asked(), ["six.example.org"]);
}

#[tokio::test]
async fn below_the_domains_of_search_a_name_is_asked_for_when_it_has_no_address_itself() {
    let server = Server::start(&[
        ("www.example.org", RecordType::A, "nothing"),
        ("www.example.org.corp.test", RecordType::A, V4),
        ("www.corp.test", RecordType::A, V4),
        ("www.corp.test", RecordType::AAAA, V6),
        ("www", RecordType::A, "192.0.2.7"),
    ])
    .await;
    let search = "search other.test corp.test";
    let found = server.find("www.example.org", search).await;
    assert_eq!(found, Ok(addresses(&[V4])));
    assert_eq!(server.find("www", search).await, Ok(addresses(&[V4, V6])));
    assert_eq!(
        server.find("www", "domain corp.test").await,
        Ok(addresses(&[V4, V6]))
    );
    assert_eq!(server.find("www.", search).await, Ok(addresses(&["192.0.2.7"])));
    let dots = "search example.org\noptions ndots:3";
    assert_eq!(server.find("www.corp.test", dots).await, Ok(addresses(&[V4, V6])));
    assert!(server.asked().contains(&"www.corp.test.example.org".to_owned()));
}

#[tokio::test]
async fn a_name_that_the_servers_fail_for_is_not_found_below_search() {
    let server = Server::start(&[
        ("www.example.org", RecordType::A, "failure"),
        ("www.example.org", RecordType::AAAA, "failure"),
        ("www.example.org.corp.test", RecordType::A, V4),
    ])
    .await;
    let found = server.find("www.example.org", "search corp.test").await;
    assert!(matches!(found, Err(Error::NameServerFailure(_))), "{found:?}");
    assert_eq!(server.asked(), ["www.example.org"]);
}

#[tokio::test]
async fn below_search_a_failure_is_told_when_nothing_else_has_an_address() {
    let server = Server::start(&[
        ("web.broken.test", RecordType::A, "failure"),
        ("web.corp.test", RecordType::A, V4),
    ])
    .await;
    let found = server.find("web", "search broken.test corp.test").await;
    assert_eq!(found, Ok(addresses(&[V4])));
    let found = server.find("web", "search broken.test").await;
    let told = matches!(&found, Err(Error::NameServerFailure(text)) if text.contains("`web.broken.test`"));
    assert!(told, "{found:?}");
}

#[tokio::test]
async fn that_a_name_has_no_address_is_not_told_as_that_it_does_not_exist() {
    let server = Server::start(&[
        ("mail.example.org", RecordType::A, "nothing"),
        ("gone.example.org.corp.test", RecordType::A, "nothing"),
        ("web.corp.test", RecordType::A, "nothing"),
    ])
    .await;
    for (host, wanted) in [
        ("mail.example.org", Error::NoAddress("mail.example.org".into())),
        ("gone.example.org", Error::NameNotFound("gone.example.org".into())),
        ("web", Error::NoAddress("web".into())),
        ("nowhere", Error::NameNotFound("nowhere".into())),
    ] {
        assert_eq!(server.find(host, "search corp.test").await, Err(wanted));
    }
}

#[tokio::test]
async fn of_a_name_in_the_hosts_file_nothing_is_asked() {
    let server = Server::start(&[
        ("pinned.example.org", RecordType::A, "192.0.2.7"),
        ("pinned.example.org", RecordType::AAAA, V6),
    ])
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = folder.path().join("hosts");
    fs::write(&hosts, format!("{V4} pinned.example.org under_score\n")).expect("written");
    let resolver = Resolver::reading(Configured::As(vec![server.address]), hosts.clone());
    assert_eq!(
        resolved(&resolver, "pinned.example.org").await,
        Ok(addresses(&[V4]))
    );
    assert_eq!(
        resolved(&resolver, "Pinned.Example.org").await,
        Ok(addresses(&[V4]))
    );
    assert_eq!(resolved(&resolver, "under_score").await, Ok(addresses(&[V4])));
    assert_eq!(server.asked(), [""; 0]);
    fs::write(
        &hosts,
        format!("{V4} pinned.example.org\n{V6} pinned.example.org\n"),
    )
    .expect("written");
    assert_eq!(
        resolved(&resolver, "pinned.example.org").await,
        Ok(addresses(&[V4, V6]))
    );
    fs::remove_file(&hosts).expect("removed");
    let asked = Ok(addresses(&["192.0.2.7", V6]));
    assert_eq!(resolved(&resolver, "pinned.example.org").await, asked);
}

#[tokio::test]
async fn name_servers_are_known_once_they_are_in_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let [resolv_conf, hosts] = ["resolv.conf", "hosts"].map(|name| folder.path().join(name));
    let resolver = Resolver::reading(Configured::In(resolv_conf.clone()), hosts.clone());
    let unknown = "the system's name servers are unknown: ";
    for text in [None, Some("")] {
        write(&resolv_conf, text);
        let error = resolved(&resolver, "www.test").await.expect_err("there are none");
        assert!(error.to_string().starts_with(unknown), "{error}");
    }
    // Nobody is there to answer, and somebody is asked.
    write(
        &resolv_conf,
        Some("nameserver 127.77.77.77\noptions timeout:1 attempts:1\n"),
    );
    let told = resolved(&resolver, "www.test").await;
    assert!(!format!("{told:?}").contains(unknown), "{told:?}");
    write(&resolv_conf, Some(""));
    let error = resolved(&resolver, "www.test").await.expect_err("there are none");
    assert!(error.to_string().starts_with(unknown), "{error}");
    write(&hosts, Some("192.0.2.1 www.test\n"));
    assert_eq!(resolved(&resolver, "www.test").await, Ok(addresses(&[V4])));
}

async fn resolved(resolver: &Resolver, host: &str) -> Result<Vec<IpAddr>, Error> {
    sorted(resolver.resolve(host).await?.addresses)
}

fn write(path: &Path, text: Option<&str>) {
    if let Some(text) = text {
        fs::write(path, text).expect("written");
    }
}
