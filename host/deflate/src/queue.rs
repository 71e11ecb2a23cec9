//! Bytes that are taken from the front.

/// Bytes that are taken from the front. Holds no memory while it is empty.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    bytes: Vec<u8>,
    taken: usize,
}

impl Queue {
    /// The bytes from `start` on.
    pub(crate) fn from_vec(bytes: Vec<u8>, start: usize) -> Self {
        let mut queue = Queue { bytes, taken: start };
        queue.take(0);
        queue
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.len() == self.taken
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.taken)
    }

    /// Where to append.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(crate) fn take(&mut self, length: usize) {
        self.taken = self.taken.saturating_add(length).min(self.bytes.len());
        if self.is_empty() {
            *self = Queue::default();
        } else if self.taken > self.bytes.len() / 2 {
            // Less is moved than was taken.
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_that_of_what_is_left() {
        let mut queue = Queue::default();
        for round in 0..1000 {
            queue.buffer().extend([round as u8; 100]);
            queue.take(queue.len() - 4);
            assert_eq!(queue.as_slice(), [round as u8; 4]);
        }
        assert!(queue.bytes.capacity() < 400);
        queue.take(4);
        assert_eq!((queue.len(), queue.bytes.capacity()), (0, 0));
    }

    /// As the buffer of a handshake is that nothing has followed.
    #[test]
    fn buffer_without_bytes_is_freed() {
        for (bytes, start) in [(Vec::with_capacity(8192), 0), (vec![0; 8192], 8192)] {
            assert_eq!(Queue::from_vec(bytes, start).bytes.capacity(), 0);
        }
    }
}
