// The text form of values against what PostgreSQL 15 prints.
import Columns
import Testing

private func text(_ body: (inout [UInt8]) -> Void) -> String {
    var out: [UInt8] = []
    body(&out)
    return String(decoding: out, as: UTF8.self)
}

@Suite("Values print as PostgreSQL prints them")
struct ValueTextTests {
    @Test(
        "integers",
        arguments: [
            (Int64(0), "0"), (-1, "-1"), (Int64.max, "9223372036854775807"), (Int64.min, "-9223372036854775808"),
            (100, "100"), (99, "99"), (1_000_000_000, "1000000000"),
        ])
    func integers(_ value: Int64, _ expected: String) {
        #expect(text { TextForm.append(int: value, to: &$0) } == expected)
    }

    @Test(
        "doubles",
        arguments: [
            (0.0, "0"), (-0.0, "-0"), (1.5, "1.5"), (1e20, "1e+20"), (1e-5, "1e-05"), (0.0001, "0.0001"),
            (1e15, "1e+15"), (999_999_999_999_999.0, "999999999999999"), (0.1 + 0.2, "0.30000000000000004"),
            (Double.infinity, "Infinity"), (-Double.infinity, "-Infinity"), (Double.nan, "NaN"),
            (Double.leastNonzeroMagnitude, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"),
            (123_456.789, "123456.789"),
            (1e23, "9.999999999999999e+22"), (100.0, "100"), (1_234_567_890_123_456_7.0, "1.2345678901234568e+16"),
            (1.0 / 3, "0.3333333333333333"), (1e14, "100000000000000"), (1e100, "1e+100"),
        ])
    func doubles(_ value: Double, _ expected: String) {
        #expect(text { TextForm.append(double: value, to: &$0) } == expected)
    }

    @Test(
        "floats",
        arguments: [
            (Float(1e6), "1e+06"), (100_000, "100000"), (0.1, "0.1"), (1_234_567, "1.234567e+06"),
            (1e-5, "1e-05"), (3.4028235e38, "3.4028235e+38"), (16_777_216, "1.6777216e+07"), (0.3, "0.3"),
        ])
    func floats(_ value: Float, _ expected: String) {
        #expect(text { TextForm.append(float: value, to: &$0) } == expected)
    }

    @Test(
        "decimals",
        arguments: [
            (Int128(0), 2, "0.00"), (5, 3, "0.005"), (-12345, 2, "-123.45"), (100, 0, "100"), (-1, 1, "-0.1"),
            (Int128(10_000_000_000_000_000_000) * 10, 0, "100000000000000000000"),
            (
                Int128(10_000_000_000_000_000_000) * 1_000_000_000_000_000_000 - 1, 38,
                "0.09999999999999999999999999999999999999"
            ),
        ])
    func decimals(_ mantissa: Int128, _ scale: Int, _ expected: String) {
        #expect(text { TextForm.append(decimal: mantissa, scale: scale, to: &$0) } == expected)
    }

    @Test(
        "every type survives its text",
        arguments: [
            (SQLType.date, "2024-02-29"), (.date, "0044-03-15 BC"), (.date, "infinity"), (.date, "12345-01-02"),
            (.time, "24:00:00"), (.time, "04:05:06.789"), (.timestamp, "1969-12-31 23:59:59.999999"),
            (.timestamp, "0001-01-01 00:00:00 BC"), (.timestamp, "-infinity"),
            (.timestamptz, "2024-07-01 12:00:00.5+00"),
            (.interval, "1 year 2 mons 3 days 04:05:06.789"), (.interval, "-1 years -2 mons +3 days -04:05:06.789"),
            (.interval, "00:00:00"), (.interval, "1 day -00:00:01"), (.interval, "-1 days +02:03:00"),
            (.interval, "100:00:00"), (.uuid, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), (.bytea, "\\xdeadbeef00"),
            (.array(.int4), "{1,NULL,3}"), (.array(.text), #"{a,"b c","",NULL,"NULL","q\"r\\s","{}"}"#),
            (.array(.decimal(precision: 5, scale: 2)), "{1.50}"), (.numeric, "NaN"), (.numeric, "1.500"),
            (.boolean, "t"), (.decimal(precision: 30, scale: 4), "12345678901234567890.1234"),
        ])
    func roundTrip(_ type: SQLType, _ form: String) throws {
        #expect(try TextParse.scalar(form, as: type).outputText() == form)
    }

    @Test("a zone east of Greenwich shows its offset")
    func zones() throws {
        let zone = SessionTimeZone.fixed(19_800, name: "IST")
        let value = try TextParse.scalar("2024-01-01 20:00:00+00", as: .timestamptz)
        #expect(value.outputText(zone: zone) == "2024-01-02 01:30:00+05:30")
        #expect(value.outputText(zone: .fixed(-12_645, name: "X")) == "2024-01-01 16:29:15-03:30:45")
    }
}
