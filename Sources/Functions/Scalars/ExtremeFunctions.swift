// greatest and least: NULL arguments are passed over.
import Columns
import Diagnostics

enum ExtremeFunctions {
    static let all: [Overload] = [true, false].map { isGreatest in
        Overload(
            isGreatest ? "greatest" : "least", [.anyElement], isVariadic: true, isStrict: false, canFail: false
        ) { (call) throws(SQLError) in
            let type = call.types.first ?? .text
            let settled = type == .unknown ? SQLType.text : type
            return Binding(
                arguments: call.types.map { _ in settled }, result: settled, kernel: kernel(settled, isGreatest))
        }
    }

    private static func kernel(_ type: SQLType, _ isGreatest: Bool) -> Kernel {
        switch type.physical {
        case .bool: best(IntegerOrder<UInt8>.self, type, isGreatest)
        case .int16: best(IntegerOrder<Int16>.self, type, isGreatest)
        case .int32: best(IntegerOrder<Int32>.self, type, isGreatest)
        case .int64: best(IntegerOrder<Int64>.self, type, isGreatest)
        case .int128: best(IntegerOrder<Int128>.self, type, isGreatest)
        case .float32: best(FloatOrder<Float>.self, type, isGreatest)
        case .float64: best(FloatOrder<Double>.self, type, isGreatest)
        case .numeric: best(NumericOrder.self, type, isGreatest)
        case .interval: best(IntervalOrder.self, type, isGreatest)
        case .view: best(ViewOrder.self, type, isGreatest)
        case .list, .row: lists(type, isGreatest)
        }
    }

    private enum ViewOrder: ValueOrder {
        static var zero: StringView { StringView(head: 0, tail: 0) }
        static func isLess(_ a: StringView, _ b: StringView) -> Bool { StringView.compare(a, b) < 0 }
    }

    private static func best<Order: ValueOrder>(_: Order.Type, _ type: SQLType, _ isGreatest: Bool) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let out = Buffer(count: max(1, rows), of: Order.Value.self)
            let o = out.pointer(Order.Value.self)
            for row in 0..<rows { o[row] = Order.zero }
            let bits = Bitmap.make(rows, all: false)
            let seen = bits.pointer(UInt64.self)
            var heaps: [Buffer] = []
            for argument in a {
                heaps += argument.heaps
                let lane = Lane(argument, Order.Value.self)
                try Loops.eachRow(Flatten.validity(argument), rows) { (row) throws(SQLError) in
                    let value = lane[row]
                    let isBetter = isGreatest ? Order.isLess(o[row], value) : Order.isLess(value, o[row])
                    if isBetter || !Bitmap.get(seen, row) { o[row] = value }
                    Bitmap.set(seen, row)
                }
            }
            let isFull = Bitmap.count(seen, rows) == rows
            return Column(type, count: rows, values: out, validity: isFull ? nil : bits, heaps: heaps)
        }
    }

    private static func lists(_ type: SQLType, _ isGreatest: Bool) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let builder = ColumnBuilder(type, capacity: rows)
            for row in 0..<rows {
                var best: Scalar?
                for argument in a {
                    let value = argument.scalar(row)
                    guard !value.isNull else { continue }
                    guard let known = best else {
                        best = value
                        continue
                    }
                    let order = ArrayOrder.compare(value, known)
                    if isGreatest ? order > 0 : order < 0 { best = value }
                }
                if let best { builder.append(best) } else { builder.appendNull() }
            }
            return builder.finish()
        }
    }
}
