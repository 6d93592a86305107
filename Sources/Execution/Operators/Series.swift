// generate_series, one input row at a time: values are made as they are asked for, never all at once.
import Columns
import Diagnostics

/// The values of one series of integers, numerics or timestamps.
enum Series {
    case integers(next: Int64, stop: Int64, step: Int64)
    /// Mantissas at one scale; values show fewer digits when only `stop` has so many, and the first has its own.
    case numerics(next: Int128, stop: Int128, step: Int128, scales: Scales)
    case times(next: Int64, stop: Int64, step: Interval, zone: SessionTimeZone?)
    case ended

    /// Fractional digits of numerics.
    struct Scales {
        let held: Int
        let shown: Int
        var first: Int?
    }

    /// Begins a series; NULL arguments give none.
    static func start(
        _ type: SQLType, _ arguments: [Column], row: Int, zone: SessionTimeZone
    ) throws(SQLError) -> Series {
        var values: [Scalar] = []
        for argument in arguments {
            let value = argument.scalar(row)
            if value.isNull { return .ended }
            values.append(value)
        }
        guard values.count >= 2 else { return .ended }
        switch type {
        case .timestamp, .timestamptz:
            guard case .int(let first) = values[0].value, case .int(let last) = values[1].value, values.count == 3,
                case .interval(let step) = values[2].value
            else { return .ended }
            if step.comparisonKey == 0 { throw zeroStep }
            return .times(next: first, stop: last, step: step, zone: type == .timestamptz ? zone : nil)
        case .numeric, .decimal: return try numerics(values)
        default:
            guard case .int(let first) = values[0].value, case .int(let last) = values[1].value else { return .ended }
            var step: Int64 = 1
            if values.count > 2, case .int(let given) = values[2].value { step = given }
            if step == 0 { throw zeroStep }
            return .integers(next: first, stop: last, step: step)
        }
    }

    private static var zeroStep: SQLError {
        SQLError(.invalidParameterValue, "step size cannot equal zero")
    }

    private static func numerics(_ values: [Scalar]) throws(SQLError) -> Series {
        var parts: [Numeric] = []
        for (value, name) in zip(values, ["start", "stop", "step size"]) {
            let number: Numeric
            switch value.value {
            case .numeric(let mantissa, let scale): number = Numeric(mantissa, scale: scale)
            case .int128(let mantissa):
                guard case .decimal(_, let scale) = value.type else { return .ended }
                number = Numeric(mantissa, scale: scale)
            default: return .ended
            }
            if number.isNaN { throw SQLError(.invalidParameterValue, "\(name) cannot be NaN") }
            if !number.isFinite { throw SQLError(.invalidParameterValue, "\(name) cannot be infinity") }
            parts.append(number)
        }
        if parts.count == 2 { parts.append(Numeric(1, scale: 0)) }
        if parts[2].mantissa == 0 { throw zeroStep }
        let scale = Int(parts.map(\.scale).max() ?? 0)
        var mantissas: [Int128] = []
        for part in parts {
            guard let scaled = part.rescaled(scale) else { throw DecimalMath.overflow }
            mantissas.append(scaled.mantissa)
        }
        let shown = Int(max(parts[0].scale, parts[2].scale))
        return .numerics(
            next: mantissas[0], stop: mantissas[1], step: mantissas[2],
            scales: Scales(held: scale, shown: shown, first: Int(parts[0].scale)))
    }

    /// Appends up to `room` values; returns how many there were. ``ended`` afterwards when there are no more.
    mutating func take(_ room: Int, into builder: ColumnBuilder) throws(SQLError) -> Int {
        switch self {
        case .ended: return 0
        case .integers(let next, let stop, let step): return integers(next, stop, step, room, builder)
        case .numerics(let next, let stop, let step, let scales):
            return numerics(next, stop, step, scales, room, builder)
        case .times(let next, let stop, let step, let zone): return try times(next, stop, step, zone, room, builder)
        }
    }

    private mutating func integers(
        _ first: Int64, _ stop: Int64, _ step: Int64, _ room: Int, _ builder: ColumnBuilder
    ) -> Int {
        var (next, count, isOver) = (first, 0, false)
        let isWide = builder.type.physical == .int64
        while count < room {
            if isOver || (step > 0 ? next > stop : next < stop) {
                self = .ended
                return count
            }
            if isWide { builder.append(next) } else { builder.append(Int32(truncatingIfNeeded: next)) }
            count += 1
            (next, isOver) = next.addingReportingOverflow(step)
        }
        self = isOver ? .ended : .integers(next: next, stop: stop, step: step)
        return count
    }

    private mutating func numerics(
        _ first: Int128, _ stop: Int128, _ step: Int128, _ scales: Scales, _ room: Int, _ builder: ColumnBuilder
    ) -> Int {
        var (next, count, scales) = (first, 0, scales)
        while count < room {
            if step > 0 ? next > stop : next < stop {
                self = .ended
                return count
            }
            let number = Numeric(next, scale: scales.held)
            append(number.rescaled(scales.first ?? scales.shown) ?? number, builder)
            scales.first = nil
            count += 1
            next += step
        }
        self = .numerics(next: next, stop: stop, step: step, scales: scales)
        return count
    }

    private func append(_ number: Numeric, _ builder: ColumnBuilder) {
        guard case .decimal(_, let scale) = builder.type else { return builder.append(number) }
        let mantissa = number.rescaled(scale)?.mantissa ?? number.mantissa
        if builder.type.physical == .int64 {
            builder.append(Int64(truncatingIfNeeded: mantissa))
        } else {
            builder.append(mantissa)
        }
    }

    private mutating func times(
        _ first: Int64, _ stop: Int64, _ step: Interval, _ zone: SessionTimeZone?, _ room: Int,
        _ builder: ColumnBuilder
    ) throws(SQLError) -> Int {
        var (next, count) = (first, 0)
        let isUp = step.comparisonKey > 0
        while count < room {
            if isUp ? next > stop : next < stop {
                self = .ended
                return count
            }
            builder.append(next)
            count += 1
            if let zone {
                next = try Calendar.add(next, step, in: zone)
            } else {
                next = try Calendar.add(next, step)
            }
        }
        self = .times(next: next, stop: stop, step: step, zone: zone)
        return count
    }
}
