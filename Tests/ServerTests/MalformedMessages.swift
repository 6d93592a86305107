// Messages that no honest client sends: what each kind of damage looks like on the wire.

/// A small generator whose series is the same at every run (SplitMix64).
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &self) }
    mutating func bytes(upTo limit: Int) -> [UInt8] {
        let count = below(limit + 1)
        return (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
    mutating func pick<T>(_ choices: [T]) -> T { choices[below(choices.count)] }
}

/// Makes malformed messages.
struct MalformedMessages {
    var random: SeededRandom

    private static let texts = [
        "select 1", "select $1::int + 1", "select 'x' || $1", "selec", "", ";;", "select 1; select 1/0", "begin",
        "select * from generate_series(1, 10) g where g > $1",
    ]
    private static let badText: [[UInt8]] = [
        [0xc3, 0x28], [0xa0, 0xa1], [0xe2, 0x28, 0xa1], [0xf0, 0x28, 0x8c, 0xbc], [0xff, 0xfe], [0xed, 0xa0, 0x80],
        [0xc0, 0xaf],
    ]

    private mutating func int16() -> [UInt8] {
        let value = UInt16(truncatingIfNeeded: random.pick([0, 1, 2, 3, 255, 32_767, 32_768, 65_535]))
        return [UInt8(value >> 8), UInt8(value & 255)]
    }
    private mutating func int32() -> [UInt8] {
        Send.word(random.pick([0, 1, 4, 5, -1, -2, 16, 255, 65_536, Int(Int32.max), Int(Int32.min), 1 << 28]))
    }

    /// A message that could be right.
    private mutating func plausible() -> [UInt8] {
        let sql = random.pick(Self.texts)
        let name = random.pick(["", "", "s", "t"])
        switch random.below(12) {
        case 0, 1: return Send.query(sql)
        case 2, 3: return Send.parse(sql, name: name)
        case 4: return Send.bind(portal: name, name: random.pick(["", "s", "nope"]))
        case 5: return Send.message("D", Send.text(random.pick(["S", "P", "Ss", "Pt"])))
        case 6: return Send.execute(random.pick([0, 1, -1, Int(Int32.max)]), portal: name)
        case 7: return Send.message("C", Send.text(random.pick(["S", "P", "Ss", "Pnope"])))
        case 8: return Send.sync
        case 9: return Send.message("H")
        case 10: return Send.message("F", [0, 0, 0, 1, 0, 0, 0, 0, 0, 0])
        default: return Send.message(random.pick(["d", "c", "f"]), random.bytes(upTo: 30))
        }
    }

    /// One malformed message of an authenticated client.
    mutating func message() -> [UInt8] {
        var bytes = plausible()
        switch random.below(12) {
        case 0:  // cut short; what follows is read as its rest
            return Array(bytes.prefix(random.below(bytes.count)))
        case 1:  // a length that is a little wrong
            bytes.replaceSubrange(1..<5, with: Send.word(bytes.count - 1 + random.pick([-4, -2, -1, 1, 2, 40])))
            return bytes
        case 2:  // negative, tiny or huge lengths
            bytes.replaceSubrange(1..<5, with: int32())
            return bytes
        case 3:  // a type that does not exist
            bytes[0] = UInt8(truncatingIfNeeded: random.next())
            return bytes
        case 4:  // text that is not UTF-8
            let text = Array(random.pick(Self.texts).utf8) + random.pick(Self.badText) + [0]
            return random.pick([
                Send.message("Q", text), Send.message("P", [0] + text + [0, 0]), Send.message("P", text + [0, 0, 0]),
                Send.message("D", [83] + text), Send.message("E", text + [0, 0, 0, 0]),
            ])
        case 5, 6:  // Bind with counts and lengths that do not fit
            var body = Send.text("") + Send.text(random.pick(["", "s"]))
            body += int16() + random.bytes(upTo: 4) + int16()
            for _ in 0..<random.below(4) { body += int32() + random.bytes(upTo: 9) }
            return Send.message("B", body + int16() + random.bytes(upTo: 4))
        case 7:  // binary values of the wrong size for their type
            let oid = random.pick([16, 17, 20, 21, 23, 25, 701, 1007, 1009, 1082, 1114, 1186, 1700, 2950, 4_000_000])
            let value = random.bytes(upTo: 40)
            let parse = Send.message("P", [0] + Send.text("select $1") + [0, 1] + Send.word(oid))
            let bind = Send.message("B", [0, 0, 0, 1, 0, 1, 0, 1] + Send.word(value.count) + value + [0, 1, 0, 1])
            return parse + bind + Send.execute() + Send.sync
        case 8:  // a body of noise with the right length
            return Send.message(
                random.pick(["Q", "P", "B", "D", "E", "C", "S", "H", "p", "X"]), random.bytes(upTo: 60))
        case 9:  // noise
            return random.bytes(upTo: 60)
        case 10:  // too many parameter types
            return Send.message("P", [0] + Send.text("select 1") + int16() + random.bytes(upTo: 12))
        default:  // a few bits turned
            for _ in 0...random.below(3) { bytes[random.below(bytes.count)] ^= UInt8(1 << random.below(8)) }
            return bytes
        }
    }

    /// One malformed first packet.
    mutating func startup() -> [UInt8] {
        var good = Send.startup(user: "ana")
        switch random.below(9) {
        case 0: return Array(good.prefix(random.below(good.count)))
        case 1:
            good.replaceSubrange(0..<4, with: int32())
            return good
        case 2:  // a protocol that is not spoken, or a request code with a body
            good.replaceSubrange(
                4..<8, with: Send.word(random.pick([0, 131_072, 196_609, 262_144, 80_877_102, 80_877_103, 80_877_104])))
            return good
        case 3:  // no terminator, a name without a value
            let body = Send.text("user") + Send.text("ana") + Send.text("database") + random.bytes(upTo: 8)
            return Send.word(body.count + 8) + Send.word(196_608) + body
        case 4:
            let body = Send.text("user") + random.pick(Self.badText) + [0, 0]
            return Send.word(body.count + 8) + Send.word(196_608) + body
        case 5:  // requests before the startup packet, over and over, then noise
            let requests = (0...random.below(4)).flatMap { _ in Send.word(8) + Send.word(80_877_103) }
            return requests + random.bytes(upTo: 40)
        case 6:  // cancel keys of nobody
            return Send.word(16) + Send.word(80_877_102) + Send.word(random.below(1 << 20)) + random.bytes(upTo: 8)
        case 7:  // another protocol altogether
            return Array(
                random.pick(["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}", "SSH-2.0-x\r\n"]).utf8)
        default: return random.bytes(upTo: 200)
        }
    }
}
