// Order of scalars and domains of columns.

import Columns
import Testing

@Suite("Domains")
struct DomainTests {
    private func decimal(_ mantissa: Int128, _ scale: Int) -> Scalar {
        Scalar(.decimal(precision: 38, scale: scale), .int128(mantissa))
    }

    @Test("numbers compare across types")
    func numbers() {
        #expect(Scalar.compare(.int4(3), .int8(4)) == -1)
        #expect(Scalar.compare(decimal(300, 2), .int8(3)) == 0)
        #expect(Scalar.compare(decimal(-301, 2), .int8(-3)) == -1)
        #expect(Scalar.compare(decimal(Int128(10), 0), decimal(Int128(99_999_999_999_999_999), 38)) == 1)
        #expect(Scalar.compare(Scalar(.float8, .double(.nan)), Scalar(.float8, .double(.infinity))) == 1)
        #expect(Scalar.compare(Scalar(.float8, .double(0.5)), decimal(5, 1)) == 0)
        #expect(Scalar.compare(.text("a"), .int4(1)) == nil)
        #expect(Scalar.compare(.null(.int4), .int4(1)) == nil)
        #expect(Scalar.compare(Scalar(.date, .int(1)), Scalar(.timestamp, .int(86_400_000_000))) == 0)
        #expect(Scalar.compare(Scalar(.char(4), .string("ab  ")), .text("ab")) == 0)
        #expect((Scalar.compare(.text("é"), .text("z")) ?? 0) > 0)
    }

    @Test("statistics decide whether rows may match")
    func statistics() {
        let domain = ColumnDomain(low: .int8(10), isLowInclusive: false, high: .int8(20))
        func may(_ min: Int64, _ max: Int64, nulls: Int64 = 0) -> Bool {
            domain.mayMatch(min: .int8(min), max: .int8(max), nullCount: nulls, rows: 100)
        }
        #expect(!may(0, 10))
        #expect(may(0, 11))
        #expect(may(20, 30))
        #expect(!may(21, 30))
        #expect(!may(11, 12, nulls: 100))
        #expect(ColumnDomain.onlyNull.mayMatch(min: .int8(1), max: .int8(2), nullCount: nil, rows: 1))
        #expect(!ColumnDomain.onlyNull.mayMatch(min: .int8(1), max: .int8(2), nullCount: 0, rows: 1))
        let list = ColumnDomain.oneOf([.int8(1), .int8(100)])
        #expect(!list.mayMatch(min: .int8(2), max: .int8(99), nullCount: 0, rows: 9))
        #expect(list.mayMatch(min: .int8(2), max: .int8(100), nullCount: 0, rows: 9))
        let above = ColumnDomain.above(Scalar(.float8, .double(9)), inclusive: true)
        let (low, high) = (Scalar(.float8, .double(1)), Scalar(.float8, .double(2)))
        #expect(above.mayMatch(min: low, max: high, nullCount: 0, rows: 9, mayHaveNaN: true))
        #expect(!above.mayMatch(min: low, max: high, nullCount: 0, rows: 9, mayHaveNaN: false))
    }

    @Test("intersections and unions keep what they must")
    func algebra() {
        let a = ColumnDomain(low: .int8(1), high: .int8(10), allowsNull: true)
        let b = ColumnDomain(low: .int8(10), high: .int8(20))
        #expect(a.intersect(b).single == .int8(10))
        #expect(a.intersect(.below(.int8(1), inclusive: false)).isNone)
        #expect(a.union(b) == ColumnDomain(low: .int8(1), high: .int8(20), allowsNull: true))
        #expect(ColumnDomain.none.isNone && ColumnDomain.all.isAll && !ColumnDomain.onlyNull.isNone)
        #expect(ColumnDomain.oneOf([.int8(3), .int8(30)]).intersect(b).isNone)
        #expect(a.intersect(.all) == a)
    }
}
