//! What did not go by the script, where peers are scripted: told when a guest is done with a connection or a socket, or
//! has ended and left it open.

use std::mem;

use super::RunState;
use super::phases::MAX_MESSAGE;
use crate::connection::{Connection, DatagramSocket};

impl RunState {
    /// Keeps a complaint, if there is one. It repeats what the guest wrote, secrets among it.
    pub(super) fn note_complaint(&mut self, complaint: Option<&str>) {
        let complaint = complaint.map(|complaint| self.presentable(complaint, MAX_MESSAGE));
        self.complaints.extend(complaint);
    }

    /// Keeps those of everything that the guest has left open, and closes it.
    pub(super) fn note_complaints_of_open(&mut self) {
        for resource in mem::take(&mut self.table).iter_mut() {
            if let Some(connection) = resource.downcast_ref::<Connection>() {
                self.note_complaint(connection.complaint());
            } else if let Some(socket) = resource.downcast_ref::<DatagramSocket>() {
                self.note_complaint(socket.complaint());
            }
        }
    }
}
