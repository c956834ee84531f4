use std::io;
use std::sync::mpsc;

use super::*;

const SOON: Duration = Duration::from_secs(30);

/// An output that passes on what it is given once it is let, and then answers as told.
struct Gated {
    entered: mpsc::Sender<()>,
    gate: mpsc::Receiver<io::Result<()>>,
    written: Arc<Mutex<Vec<u8>>>,
}

struct Gate {
    entered: mpsc::Receiver<()>,
    open: mpsc::Sender<io::Result<()>>,
    written: Arc<Mutex<Vec<u8>>>,
}

fn gated(capacity: usize) -> (Writer, Gate) {
    let (entered, has_entered) = mpsc::channel();
    let (open, gate) = mpsc::channel();
    let written = Arc::<Mutex<Vec<u8>>>::default();
    let output = Gated {
        entered,
        gate,
        written: written.clone(),
    };
    let gate = Gate {
        entered: has_entered,
        open,
        written,
    };
    (Writer::new(Box::new(output), capacity), gate)
}

impl Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.entered.send(());
        // A gate that is gone stands open.
        self.gate.recv().unwrap_or(Ok(()))?;
        lock(&self.written).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Gate {
    fn wait_until_writing(&self) {
        self.entered.recv_timeout(SOON).expect("a write");
    }

    /// Opens for good; says where what is written can be read.
    fn open_for_good(self) -> Arc<Mutex<Vec<u8>>> {
        self.written
    }
}

fn text(written: &Mutex<Vec<u8>>) -> String {
    String::from_utf8(lock(written).clone()).expect("text")
}

#[test]
fn lines_of_a_blocked_output_wait_in_order_and_a_gap_is_told_in_its_place() {
    let (writer, gate) = gated(40);
    writer.push(b"0 before\n");
    gate.wait_until_writing();
    // 9 bytes are under way, 27 more fit.
    for number in 1..=9 {
        writer.push(format!("{number} during\n").as_bytes());
    }
    assert_eq!(writer.lost(), 6);
    assert!(!writer.is_flushed());
    assert!(!writer.flush(Duration::from_millis(1)));
    let written = gate.open_for_good();
    assert!(writer.flush(SOON));
    writer.push(b"x after\n");
    assert!(writer.flush(SOON));
    assert_eq!(
        text(&written),
        "0 before\n1 during\n2 during\n3 during\n6 lines were not written\nx after\n"
    );
}

#[test]
fn a_line_larger_than_the_queue_is_lost_and_told() {
    let (writer, gate) = gated(16);
    let written = gate.open_for_good();
    writer.push(&[b'x'; 17]);
    assert!(writer.flush(SOON));
    assert_eq!(text(&written), "1 lines were not written\n");
    assert_eq!(writer.lost(), 1);
}

#[test]
fn lines_that_an_output_refuses_are_told_once_it_takes_some_again() {
    let (writer, gate) = gated(1000);
    writer.push(b"one\n");
    gate.wait_until_writing();
    writer.push(b"two\n");
    let closed = || Err(io::Error::from(io::ErrorKind::BrokenPipe));
    gate.open.send(closed()).expect("a writer");
    gate.wait_until_writing();
    gate.open.send(closed()).expect("a writer");
    assert!(writer.flush(SOON));
    assert_eq!(writer.lost(), 2);
    let written = gate.open_for_good();
    writer.push(b"three\n");
    assert!(writer.flush(SOON));
    assert_eq!(text(&written), "three\n2 lines were not written\n");
}

#[test]
fn an_output_that_panics_or_would_block_is_asked_again() {
    struct Moody(u8, Arc<Mutex<Vec<u8>>>);
    impl Write for Moody {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            match self.0 {
                1 => Err(io::ErrorKind::WouldBlock.into()),
                2 => Err(io::ErrorKind::Interrupted.into()),
                3 => {
                    lock(&self.1).push(bytes[0]);
                    Ok(1)
                }
                4 => panic!("a bad output"),
                _ => {
                    lock(&self.1).extend_from_slice(bytes);
                    Ok(bytes.len())
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let written = Arc::<Mutex<Vec<u8>>>::default();
    let writer = Writer::new(Box::new(Moody(0, written.clone())), 1000);
    writer.push(b"torn\n");
    assert!(writer.flush(SOON));
    writer.push(b"whole\n");
    assert!(writer.flush(SOON));
    assert_eq!(text(&written), "t\nwhole\n1 lines were not written\n");
}

#[test]
fn each_thread_s_lines_stay_in_order() {
    let written = Arc::<Mutex<Vec<u8>>>::default();
    struct Slow(Arc<Mutex<Vec<u8>>>);
    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let part = bytes.len().min(100);
            lock(&self.0).extend_from_slice(&bytes[..part]);
            Ok(part)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let writer = Writer::new(Box::new(Slow(written.clone())), 1 << 20);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let writer = writer.clone();
            scope.spawn(move || {
                for number in 0..1000 {
                    writer.push(format!("{thread} {number}\n").as_bytes());
                }
            });
        }
    });
    assert!(writer.flush(SOON));
    let text = text(&written);
    let mut next = [0; 4];
    for line in text.lines() {
        let (thread, number) = line.split_once(' ').expect("two numbers");
        let thread: usize = thread.parse().expect("a number");
        assert_eq!(number, next[thread].to_string());
        next[thread] += 1;
    }
    assert_eq!(next, [1000; 4]);
}

#[test]
fn a_dropped_writer_writes_what_it_took_and_ends() {
    let (writer, gate) = gated(1000);
    writer.push(b"one\n");
    gate.wait_until_writing();
    writer.push(b"two\n");
    let shared = Arc::downgrade(writer.shared());
    drop(writer);
    let written = gate.open_for_good();
    while shared.strong_count() > 0 {
        std::thread::yield_now();
    }
    assert_eq!(text(&written), "one\ntwo\n");
}

#[test]
fn who_logs_at_the_end_waits_for_the_line_but_only_for_a_while() {
    let (writer, gate) = gated(1000);
    writer.linger(Duration::from_millis(20));
    writer.push(b"blocked\n");
    let budget = |writer: &Writer| writer.shared().lock().linger;
    while !budget(&writer).is_zero() {
        writer.push(b"blocked\n");
    }
    let written = gate.open_for_good();
    writer.linger(SOON);
    writer.push(b"last\n");
    assert!(text(&written).ends_with("last\n"));
}

#[test]
fn pieces_end_with_lines_and_a_long_line_stays_whole() {
    let mut lines = Vec::new();
    for length in [10, 4000, 200, 9000, 3] {
        lines.extend(std::iter::repeat_n(b'x', length));
        lines.push(b'\n');
    }
    struct Sizes(mpsc::Sender<usize>);
    impl Write for Sizes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (sender, sizes) = mpsc::channel();
    let mut output = Output::new(Box::new(Sizes(sender)));
    assert_eq!(output.write(&lines, &|| false), 0);
    drop(output);
    assert_eq!(sizes.iter().collect::<Vec<_>>(), [4012, 201, 9001, 4]);
}
