//! `perigee tm frames|packets|stats|encode` on real recordings and on recordings of its own making.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use perigee_testkit::{shared_data, workspace_root};

const FRAMES: &str = "index,offset,tfvn,scid,vcid,mcfc,vcfc,fhp,ocf,corrected,fecf,status,sha1";
const PACKETS: &str = "vcid,index,apid,type,shf,seqflags,seq,len,time,sha1";

/// Runs `perigee tm`; `-` among the arguments reads `input`.
fn perigee(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_perigee"))
        .arg("tm")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    // A run that refuses its arguments does not read its input.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("ended");
    writer.join().expect("written");
    output
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).expect("text")
}

/// The project's link file of that name.
fn link(name: &str) -> String {
    workspace_root().join("links").join(name).display().to_string()
}

type Row = HashMap<String, String>;

/// Rows by column. Quoted values are single values.
fn rows(csv: &str) -> Vec<Row> {
    let split = |line: &str| -> Vec<String> {
        let mut quoted = false;
        line.split(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        })
        .map(str::to_owned)
        .collect()
    };
    let mut lines = csv.lines();
    let columns = split(lines.next().expect("header line"));
    lines.map(|line| columns.iter().cloned().zip(split(line)).collect()).collect()
}

/// Holds rows against expected ones in the columns that both have, by pairs of (expected, ours).
fn compare(ours: &[Row], expected: &[Row], columns: &[(&str, &str)], name: &str) {
    assert_eq!(ours.len(), expected.len(), "{name}");
    for (i, (row, wanted)) in ours.iter().zip(expected).enumerate() {
        for (theirs, our) in columns {
            if let Some(value) = wanted.get(*theirs) {
                assert_eq!(&row[*our], value, "{name}: row {i}, {our}");
            }
        }
        assert!(row["sha1"].starts_with(&wanted["sha1"]) && row["sha1"].len() == 40, "{name}: row {i}");
    }
}

const FRAME_COLUMNS: &[(&str, &str)] = &[
    ("i", "index"),
    ("tfvn", "tfvn"),
    ("scid", "scid"),
    ("vcid", "vcid"),
    ("mcfc", "mcfc"),
    ("vcfc", "vcfc"),
    ("fhp", "fhp"),
    ("clcw", "ocf"),
];
const PACKET_COLUMNS: &[(&str, &str)] = &[
    ("vcid", "vcid"),
    ("n", "index"),
    ("apid", "apid"),
    ("type", "type"),
    ("shf", "shf"),
    ("seqflags", "seqflags"),
    ("seq", "seq"),
    ("len", "len"),
];

#[test]
fn recordings_give_the_expected_columns() {
    for (recording, toml, expected) in [
        ("snpp-cadu/snpp_synchronized_cadus.dat", "snpp.toml", "snpp-cadu/expected-snpp_synchronized_cadus"),
        ("snpp-cadu/snpp_7cadus_2vcids.dat", "snpp.toml", "snpp-cadu/expected-snpp_7cadus_2vcids"),
        ("destevez-deep-space/hera_low_rate.u8", "hera.toml", "destevez-deep-space/expected-hera_low_rate"),
        ("destevez-deep-space/dart_tm_1113.u8", "dart.toml", "destevez-deep-space/expected-dart_tm_1113"),
        (
            "destevez-deep-space/mars2020_frames.u8",
            "mars2020.toml",
            "destevez-deep-space/expected-mars2020_frames",
        ),
        (
            "destevez-deep-space/emm_hope_tm_223.u8",
            "emm.toml",
            "destevez-deep-space/expected-emm_hope_tm_223",
        ),
        (
            "destevez-deep-space/integral_tm_890.u8",
            "integral.toml",
            "destevez-deep-space/expected-integral_tm_890",
        ),
        (
            "destevez-deep-space/aditya_l1_tm_221.u8",
            "aditya-l1.toml",
            "destevez-deep-space/expected-aditya_l1_tm_221",
        ),
    ] {
        let Some(path) = shared_data(recording) else { return };
        let path = path.display().to_string();
        let output = perigee(&["frames", "--link", &link(toml), &path], &[]);
        assert!(output.status.success(), "{recording}: {}", text(&output.stderr));
        assert!(text(&output.stdout).starts_with(FRAMES));
        let wanted = shared_data(format!("{expected}-frames.csv")).expect("beside the recording");
        let wanted = rows(&std::fs::read_to_string(wanted).expect("readable"));
        let frames = rows(text(&output.stdout));
        compare(&frames, &wanted, FRAME_COLUMNS, recording);
        for (row, wanted) in frames.iter().zip(&wanted) {
            if let Some(ok) = wanted.get("fecf_ok") {
                let (fecf, status) = if ok == "1" { ("ok", "ok") } else { ("bad", "bad-fecf") };
                assert_eq!((&row["fecf"][..], &row["status"][..]), (fecf, status), "{recording}");
            }
        }

        let output = perigee(&["packets", "--link", &link(toml), &path], &[]);
        assert!(text(&output.stdout).starts_with(PACKETS));
        let packets = rows(text(&output.stdout));
        if let Some(wanted) = existing(&format!("{expected}-packets.csv")) {
            compare(&packets, &rows(&wanted), PACKET_COLUMNS, recording);
        } else if let Some(wanted) = existing(&format!("{expected}-packets.json")) {
            let wanted: Vec<serde_json::Map<_, _>> = serde_json::from_str(&wanted).expect("JSON");
            let cell = |value: &serde_json::Value| value.to_string().trim_matches('"').to_owned();
            let wanted: Vec<Row> =
                wanted.iter().map(|row| row.iter().map(|(k, v)| (k.clone(), cell(v))).collect()).collect();
            compare(&packets, &wanted, PACKET_COLUMNS, recording);
        } else {
            assert!(packets.is_empty(), "{recording} carries no packets");
        }
    }
}

fn existing(path: &str) -> Option<String> {
    let folder = shared_data(".")?;
    std::fs::read_to_string(folder.join(path)).ok()
}

#[test]
fn damaged_blocks_are_listed_with_their_reason() {
    let Some(path) = shared_data("derived-cadu/hera_cadu_i5_rand_errors.bin") else { return };
    let path = path.display().to_string();
    let output = perigee(&["frames", "--strict", "--link", &link("hera-cadu.toml"), &path], &[]);
    assert_eq!(output.status.code(), Some(3), "--strict tells of what was rejected");
    let frames = rows(text(&output.stdout));
    let bad: Vec<_> = frames.iter().filter(|row| row["status"] != "ok").collect();
    assert_eq!((frames.len(), bad.len()), (56, 14));
    assert!(bad.iter().all(|row| row["corrected"] == "-1" && row["status"] == "uncorrectable"));
    assert_eq!(frames[4]["corrected"], "80");
    assert_eq!(frames[0]["offset"], "137");
    assert!(text(&output.stderr).contains("uncorrectable 14"), "{}", text(&output.stderr));
}

/// A folder of this test's own.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Twenty packets of 60 octets with CDS times, APID 1 to 3 by turns.
fn packets() -> Vec<u8> {
    let mut octets = Vec::new();
    for i in 0..20u16 {
        octets.extend((0x0801 + i % 3).to_be_bytes());
        octets.extend((0xC000 + i / 3).to_be_bytes());
        octets.extend([0, 53]);
        octets.extend(24000u16.to_be_bytes());
        octets.extend((u32::from(i) * 1000 + 500).to_be_bytes());
        octets.extend([0; 48]);
    }
    octets
}

const LINK: &str = r#"
[sync]
asm = "1ACFFC1D"
[coding]
randomizer = "255"
reed_solomon = { code = "255,239", interleave = 1 }
[frame]
type = "aos"
length = 239
scid = 42
fecf = true
[packet.time]
code = "cds"
submillisecond = "none"
"#;

fn write(folder: &tempfile::TempDir, name: &str, content: impl AsRef<[u8]>) -> String {
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, content).expect("written");
    path.display().to_string()
}

#[test]
fn what_is_encoded_is_decoded_again() {
    let folder = folder();
    let (link, sent) = (write(&folder, "link.toml", LINK), packets());
    let frames = folder.path().join("frames").display().to_string();
    let output = perigee(&["encode", "--link", &link, "-", "-o", &frames], &sent);
    assert!(output.status.success(), "{}", text(&output.stderr));

    let raw = perigee(&["packets", "--no-idle", "--format", "raw", "--link", &link, &frames], &[]);
    assert_eq!((raw.status.code(), text(&raw.stderr)), (Some(0), ""));
    assert_eq!(raw.stdout, sent);

    let csv = perigee(&["packets", "--no-idle", "--link", &link, &frames], &[]);
    let rows = rows(text(&csv.stdout));
    assert_eq!(rows[1]["time"], "2023-09-17T00:00:01.500Z");
    assert_eq!((&rows[3]["apid"][..], &rows[3]["seq"][..], &rows[3]["len"][..]), ("1", "1", "60"));

    let jsonl = perigee(&["frames", "--format", "jsonl", "--link", &link, &frames], &[]);
    let line = text(&jsonl.stdout).lines().next().expect("a line");
    let expected = r#"{"index":0,"offset":0,"tfvn":1,"scid":42,"vcid":0,"mcfc":null,"vcfc":0,"fhp":0,"ocf":null,"corrected":0,"fecf":"ok","status":"ok","sha1":""#;
    assert!(line.starts_with(expected), "{line}");
    assert!(jsonl.stdout.ends_with(b"\"}\n"));

    let stats = perigee(&["stats", "--format", "json", "--link", &link, &frames], &[]);
    let stats: serde_json::Value = serde_json::from_slice(&stats.stdout).expect("JSON");
    assert_eq!(
        stats["packets"].as_u64().zip(stats["idle_packets"].as_u64()).map(|(all, idle)| all - idle),
        Some(20)
    );
    assert_eq!(stats["apids"][0]["packets"], 7);
}

#[test]
fn data_units_that_are_no_packets_are_told() {
    let folder = folder();
    let (link, sent) = (write(&folder, "link.toml", LINK), packets());
    let frames = folder.path().join("frames").display().to_string();
    assert!(perigee(&["encode", "--link", &link, "-", "-o", &frames], &sent).status.success());
    let vca = write(&folder, "vca.toml", format!("{LINK}[[vc]]\nid = 0\nservice = \"vca\"\n"));
    let listed = perigee(&["packets", "--no-idle", "--link", &vca, &frames], &[]);
    assert_eq!(text(&listed.stdout).lines().count(), 1, "only the names of the columns");
    assert!(text(&listed.stderr).contains("data units of other services"), "{}", text(&listed.stderr));
}

#[test]
fn a_wrong_link_file_is_told_with_a_hint() {
    let folder = folder();
    let (link, sent) = (write(&folder, "link.toml", LINK), packets());
    let frames = perigee(&["encode", "--link", &link, "-"], &sent).stdout;
    // (what is wrong with the link file, what the message says)
    for (from, to, expected) in [
        ("length = 239", "lenght = 239", "line 9: lenght: unknown key"),
        ("length = 239", "length = 400", "line 6: coding.reed_solomon: a frame of 400 octets does not fit"),
        ("length = 239", "length = 200", "hint: markers come every 259 octets, the link file says 220"),
        ("1ACFFC1D", "DEADBEEF", "hint: the marker was not found"),
        ("\"255\"", "\"131071\"", "hint: check coding.randomizer"),
        ("scid = 42", "scid = 43", "hint: frame.scid is that of another spacecraft"),
        ("\"aos\"", "\"tm\"", "hint: check frame.type"),
    ] {
        let link = write(&folder, "wrong.toml", LINK.replace(from, to));
        let output = perigee(&["frames", "--link", &link, "-"], &frames);
        assert_eq!(output.status.code(), Some(1), "{to}");
        assert!(text(&output.stderr).contains(expected), "{to}: {}", text(&output.stderr));
    }
    let output = perigee(&["frames", "--link", &link, "/no/such/file"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot open /no/such/file"));
    assert_eq!(perigee(&["frames"], &[]).status.code(), Some(2), "the command line");
}

#[test]
fn a_file_cut_short_and_garbage_between_frames_lose_nothing_else() {
    let folder = folder();
    let (link, sent) = (write(&folder, "link.toml", LINK), packets());
    let frames = perigee(&["encode", "--link", &link, "-"], &sent).stdout;
    let mut damaged = b"garbage".to_vec();
    damaged.extend(&frames[..259 * 3]);
    damaged.extend(b"more garbage");
    damaged.extend(&frames[259 * 3..frames.len() - 10]);
    let output = perigee(&["packets", "--link", &link, "-"], &damaged);
    assert_eq!(output.status.code(), Some(0));
    let message = text(&output.stderr);
    assert!(message.contains("not-synchronised 2") && message.contains("truncated 1"), "{message}");
    assert!(rows(text(&output.stdout)).len() >= 15);
}

#[test]
fn a_reader_that_goes_is_no_error() {
    let folder = folder();
    let link = write(&folder, "link.toml", LINK);
    let many: Vec<u8> = packets().repeat(2000);
    let frames = folder.path().join("frames").display().to_string();
    assert!(perigee(&["encode", "--link", &link, "-", "-o", &frames], &many).status.success());
    let mut child = Command::new(env!("CARGO_BIN_EXE_perigee"))
        .args(["tm", "packets", "--link", &link, &frames])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ended");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
}
