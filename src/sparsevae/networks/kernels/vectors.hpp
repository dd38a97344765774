// Vectors of floats, in the registers of whatever instruction set this is compiled for.

#pragma once

#include <algorithm>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

// LANES floats a vector; TALL x WIDE sums fill the registers of the instruction set.
#if defined(__AVX512F__)
constexpr long LANES = 16, TALL = 8, WIDE = 3;
#elif defined(__AVX2__)
constexpr long LANES = 8, TALL = 4, WIDE = 3;
#elif defined(__aarch64__)
constexpr long LANES = 4, TALL = 8, WIDE = 3;
#else
constexpr long LANES = 4, TALL = 4, WIDE = 3;
#endif

typedef float Vector __attribute__((vector_size(4 * LANES)));
typedef float Unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

inline Vector load(const float* from) { return *reinterpret_cast<const Unaligned*>(from); }
inline void store(float* to, Vector value) { *reinterpret_cast<Unaligned*>(to) = value; }
inline long whole_vectors(long floats) { return (floats + LANES - 1) / LANES * LANES; }

// Zeros at the start of a cache line: a vector that straddles two lines costs twice.
class Floats {
    struct alignas(64) Line {
        float values[16] = {};
    };
    std::vector<Line> lines;

public:
    explicit Floats(long count) : lines((count + 15) / 16) {}
    float* data() { return lines.data()->values; }
    const float* data() const { return lines.data()->values; }
    long size() const { return 16 * static_cast<long>(lines.size()); }
};

// Sets to[i] = make(at) for all i < count, where at(array) is array[i]: a vector of neighbours at
// most places, a single float at the end.
template <class Make>
inline void fill(float* to, long count, Make make) {
    long i = 0;
    for (; i + LANES <= count; i += LANES)
        store(to + i, make([i](const float* array) { return load(array + i); }));
    for (; i < count; ++i) to[i] = make([i](const float* array) { return array[i]; });
}

inline void copy(float* to, const float* from, long count) {
    fill(to, count, [=](auto at) { return at(from); });
}

inline void add(float* to, const float* from, long count) {
    fill(to, count, [=](auto at) { return at(to) + at(from); });
}

// Comparisons are written so that a NaN passes through, as it does in torch.
template <class Value>
inline Value rectified(Value value) { return value < 0 ? Value{} : value; }

inline const float* behind(const float* array, long offset) {
    return array ? array + offset : nullptr;
}

// The gradient before a ReLU. Without output no ReLU followed: the gradient stays as it is.
inline void masked(float* to, const float* gradient, const float* output, long count) {
    if (!output) return copy(to, gradient, count);
    fill(to, count, [=](auto at) {
        const auto value = at(gradient);
        return at(output) <= 0 ? decltype(value){} : value;
    });
}

// Calls work(whole) with whether so many floats are whole vectors, as a constant.
template <class Work>
inline void if_whole(long count, Work work) {
    if (count % LANES) work(std::false_type());
    else work(std::true_type());
}

// Sets to[j ...] = values, but nothing from to[count] on, which is not to be if all are WHOLE.
template <bool WHOLE>
inline void store_within(float* to, long j, long count, Vector values) {
    if (WHOLE || j + LANES <= count) return store(to + j, values);
    for (long lane = 0; j + lane < count; ++lane) to[j + lane] = values[lane];
}

// Sets floats of an array that lie `apart`, as many as there are values or `count`.
inline void store_apart(float* to, long apart, long count, Vector values) {
    for (long lane = 0; lane < std::min(count, LANES); ++lane) to[lane * apart] = values[lane];
}

// a and b, each folded in two: lane l holds a[l] + a[l ^ STEP], or b's where l has the bit STEP.
template <long STEP, long... L>
inline Vector folded(Vector a, Vector b, std::integer_sequence<long, L...>) {
#ifdef __clang__
    return __builtin_shufflevector(a, b, (L & STEP ? LANES + L : L)...) +
           __builtin_shufflevector(a, b, (L & STEP ? LANES + (L ^ STEP) : L ^ STEP)...);
#else
    typedef int Places __attribute__((vector_size(4 * LANES)));
    return __builtin_shuffle(a, b, Places{(L & STEP ? LANES + L : L)...}) +
           __builtin_shuffle(a, b, Places{(L & STEP ? LANES + (L ^ STEP) : L ^ STEP)...});
#endif
}

// The totals of LANES vectors, which are used up: lane l holds that of sum[l].
template <long STEP = LANES / 2>
inline Vector totals(Vector* sum) {
    for (long i = 0; i < STEP; ++i)
        sum[i] = folded<STEP>(sum[i], sum[i + STEP], std::make_integer_sequence<long, LANES>());
    if constexpr (STEP > 1) return totals<STEP / 2>(sum);
    else return sum[0];
}

// The gradient of a bias: the sum over all pixels. Pixels are added in groups, which makes whole
// vectors, and several of them, of any number of channels; write() adds up the group.
struct BiasGradient {
    static constexpr long GROUP = 4 * LANES;
    Floats sums;
    long channels;
    explicit BiasGradient(long channels) : sums(channels * GROUP), channels(channels) {}

    void add_pixels(const float* gradient, long floats) {
        const long group = channels * GROUP;
        for (long i = 0; i < floats; i += group)
            add(sums.data(), gradient + i, std::min(group, floats - i));
    }
    // The first `count` channels; behind them stands what fills up vectors.
    void write(float* to, long count) const {
        std::fill(to, to + count, 0.0f);
        for (long i = 0; i < GROUP; ++i) add(to, sums.data() + i * channels, count);
    }
};

}  // namespace
