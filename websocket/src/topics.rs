//! Topics: a message for many sockets, framed once.
//!
//! A topic is a name and the list of the sockets that have entered it; it exists while somebody is
//! in it. Topics belong to a loop, like the sockets. Lists point at each other by position, so that
//! a socket leaves in constant time however many are in the topic:
//!
//! ```text
//!   Topic "news"                        a socket
//!   subscribers: [ (socket, index) ]    memberships: [ (topic, place) ]
//!                     |        +------------------------^         |
//!                     ^-------------------------------------------+
//! ```
//!
//! Publishing runs no code of others while a list is borrowed. Called through `websocket.rs`, and
//! by anybody who has a handle of the loop.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use squall_ioloop::Handle;

use crate::{Message, Prepared, WebSocket};

/// The topics of one loop, to publish from outside of a handler: from a timer, or another request.
///
/// Sockets enter and leave with [`WebSocket::subscribe`] and [`WebSocket::unsubscribe`], and leave
/// all their topics when they close. Names are exact: there are no patterns.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_websocket::Topics;
///
/// let ioloop = IoLoop::new()?;
/// let topics = Topics::of(&ioloop);
/// assert_eq!(topics.publish("news", "nobody hears this"), 0);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Topics {
    table: Rc<Table>,
}

#[derive(Default)]
struct Table {
    topics: RefCell<HashMap<Rc<str>, Rc<Topic>>>,
}

struct Topic {
    name: Rc<str>,
    subscribers: RefCell<Vec<Subscriber>>,
}

/// A socket in a topic's list.
struct Subscriber {
    socket: WebSocket,
    /// Where the socket's own list has this topic.
    index: usize,
}

/// A topic in a socket's list.
pub(crate) struct Membership {
    topic: Rc<Topic>,
    /// Where the topic's list has the socket.
    place: usize,
}

impl Topics {
    /// The topics of this loop.
    pub fn of(ioloop: &Handle) -> Self {
        Self {
            table: ioloop.local(Table::default),
        }
    }

    /// Sends a message to all sockets in a topic, and says how many will get it. It is framed once,
    /// and compressed once for each way of compressing among the sockets; all share the frame, and
    /// each gets it, with all else of this turn, in one vectored write when the turn ends.
    ///
    /// A socket whose backlog is full ([`Config::backlog_bytes_max`](crate::Config)) is closed with
    /// 1013 instead.
    pub fn publish<'a>(&self, topic: &str, message: impl Into<Message<'a>>) -> usize {
        self.publish_to(topic, message.into(), None)
    }

    /// As [`Self::publish`], to all but one: to all who did not say it themselves.
    pub fn publish_except<'a>(
        &self,
        topic: &str,
        message: impl Into<Message<'a>>,
        except: &WebSocket,
    ) -> usize {
        self.publish_to(topic, message.into(), Some(except))
    }

    /// How many sockets are in a topic.
    pub fn subscriber_count(&self, topic: &str) -> usize {
        self.find(topic)
            .map_or(0, |topic| topic.subscribers.borrow().len())
    }

    /// How many topics there are: those with somebody in them.
    pub fn topic_count(&self) -> usize {
        self.table.topics.borrow().len()
    }

    fn publish_to(&self, topic: &str, message: Message<'_>, except: Option<&WebSocket>) -> usize {
        let Some(topic) = self.find(topic) else {
            return 0;
        };
        let message = Prepared::new(message);
        let mut count = 0;
        let mut full = Vec::new();
        let subscribers = topic.subscribers.borrow();
        for Subscriber { socket, .. } in subscribers.iter() {
            if Some(socket) == except {
            } else if socket.has_room() {
                count += usize::from(socket.queue(socket.frame_of(&message)).is_ok());
            } else {
                full.push(socket.clone());
            }
        }
        drop(subscribers);
        // Not before the list is free again: these may be closed now, and so leave it.
        for socket in full {
            count += usize::from(socket.write_shared(&message).is_ok());
        }
        count
    }

    /// Enters a socket; `false` if it is in there.
    pub(crate) fn subscribe(&self, socket: &WebSocket, name: &str) -> bool {
        let topic = self.find_or_make(name);
        if topic.index_in(socket).is_some() {
            return false;
        }
        let mut memberships = socket.memberships().borrow_mut();
        let mut subscribers = topic.subscribers.borrow_mut();
        let (index, place) = (memberships.len(), subscribers.len());
        subscribers.push(Subscriber {
            socket: socket.clone(),
            index,
        });
        drop(subscribers);
        memberships.push(Membership { topic, place });
        true
    }

    /// Takes a socket out; `false` if it is not in there.
    pub(crate) fn unsubscribe(&self, socket: &WebSocket, name: &str) -> bool {
        let index = self.find(name).and_then(|topic| topic.index_in(socket));
        if let Some(index) = index {
            self.leave(socket, index);
        }
        index.is_some()
    }

    /// Takes a socket out of all its topics.
    pub(crate) fn leave_all(&self, socket: &WebSocket) {
        loop {
            let count = socket.memberships().borrow().len();
            match count.checked_sub(1) {
                Some(last) => self.leave(socket, last),
                None => break,
            }
        }
        // One who was in thousands does not keep room for them.
        let list = socket.memberships().take();
        drop(list);
    }

    /// Takes both entries out, and tells the two that moved into their places.
    fn leave(&self, socket: &WebSocket, index: usize) {
        let mut memberships = socket.memberships().borrow_mut();
        let Membership { topic, place } = memberships.swap_remove(index);
        if let Some(moved) = memberships.get(index) {
            moved.topic.subscribers.borrow_mut()[moved.place].index = index;
        }
        drop(memberships);

        let mut subscribers = topic.subscribers.borrow_mut();
        let left = subscribers.swap_remove(place);
        if let Some(moved) = subscribers.get(place) {
            moved.socket.memberships().borrow_mut()[moved.index].place = place;
        }
        let is_empty = subscribers.is_empty();
        drop(subscribers);
        drop(left);
        if is_empty {
            self.table.topics.borrow_mut().remove(&topic.name);
        }
    }

    fn find(&self, name: &str) -> Option<Rc<Topic>> {
        self.table.topics.borrow().get(name).cloned()
    }

    fn find_or_make(&self, name: &str) -> Rc<Topic> {
        self.find(name).unwrap_or_else(|| {
            let name: Rc<str> = name.into();
            let topic = Rc::new(Topic {
                name: name.clone(),
                subscribers: RefCell::default(),
            });
            self.table.topics.borrow_mut().insert(name, topic.clone());
            topic
        })
    }
}

impl Topic {
    /// Where this topic is in the socket's list. The shorter of the two lists is searched: a socket
    /// in thousands of topics, or a topic with thousands of sockets, is no burden by itself.
    fn index_in(self: &Rc<Self>, socket: &WebSocket) -> Option<usize> {
        let memberships = socket.memberships().borrow();
        let subscribers = self.subscribers.borrow();
        if memberships.len() <= subscribers.len() {
            memberships
                .iter()
                .position(|membership| Rc::ptr_eq(&membership.topic, self))
        } else {
            subscribers
                .iter()
                .find(|subscriber| subscriber.socket == *socket)
                .map(|subscriber| subscriber.index)
        }
    }
}

impl fmt::Debug for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topics")
            .field("topic_count", &self.topic_count())
            .finish_non_exhaustive()
    }
}
