//! An HTTP server for tests, on loopback: it writes down what it hears and answers by a script.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// A request that was heard.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) method: String,
    pub(super) target: String,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Heard {
    /// A header's value by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

type Requests = Arc<(Mutex<Vec<Heard>>, Condvar)>;

/// The server.
pub(super) struct Server {
    url: String,
    heard: Requests,
}

impl Server {
    /// Answers with these statuses, one after the other, and then with 200.
    pub(super) fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Requests::default();
        let (requests, statuses) = (Arc::clone(&heard), statuses.to_vec());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (requests, statuses) = (Arc::clone(&requests), statuses.clone());
                std::thread::spawn(move || serve(&stream, &requests, &statuses));
            }
        });
        Self { url, heard }
    }

    /// `http://127.0.0.1:PORT`.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What was heard so far.
    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.0.lock().unwrap().clone()
    }

    /// What was heard as soon as it is so many requests.
    pub(super) fn wait_for(&self, count: usize) -> Vec<Heard> {
        let (heard, changed) = &*self.heard;
        let few = |heard: &mut Vec<Heard>| heard.len() < count;
        let bound = Duration::from_secs(10);
        let (heard, timeout) = changed
            .wait_timeout_while(heard.lock().unwrap(), bound, few)
            .unwrap();
        assert!(!timeout.timed_out(), "only {heard:?}");
        heard.clone()
    }
}

fn serve(stream: &TcpStream, requests: &Requests, statuses: &[u16]) {
    let mut reader = BufReader::new(stream);
    while let Some(heard) = read(&mut reader) {
        let mut all = requests.0.lock().unwrap();
        let status = statuses.get(all.len()).copied().unwrap_or(200);
        all.push(heard);
        drop(all);
        requests.1.notify_all();
        let answer = format!("HTTP/1.1 {status} Scripted\r\ncontent-length: 2\r\n\r\nOK");
        let mut stream = stream;
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Heard> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut words = lines.first()?.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let headers: Vec<(String, String)> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Heard {
        method,
        target,
        headers,
        body: String::from_utf8(body).unwrap(),
    })
}
