// Exponential and logarithm of vectors, to the last digit or two. A NaN gives a NaN.

#pragma once

#include <cmath>
#include <cstdint>

#include "vectors.hpp"

namespace {

typedef std::uint32_t Bits __attribute__((vector_size(4 * LANES)));
typedef std::int32_t Whole __attribute__((vector_size(4 * LANES)));

// exp(x) for x <= 0: x = n log 2 + r with |r| <= log(2) / 2, and a polynomial in r.
inline Vector exp_of_negative(Vector x) {
    x = x < -41.0f ? Vector{} - 41.0f : x;  // 2e-18: nothing beside 1, and its square is normal
    const float shift = 12582912.0f;        // 1.5 * 2^23: the sum's last bits hold n
    const Vector shifted = x * 1.44269504f + shift, n = shifted - shift;
    const Vector r = (x - n * 0.693145752f) - n * 1.42860677e-6f;
    Vector value = r * (1.0f / 720) + 1.0f / 120;
    value = value * r + 1.0f / 24;
    value = value * r + 1.0f / 6;
    value = value * r + 0.5f;
    value = (value * r + 1.0f) * r + 1.0f;
    const Bits power = ((Bits)shifted << 23) + 0x3f800000u;
    return value * (Vector)power;
}

// log(1 + e) for 0 <= e <= 1: twice the area tangent of t = e / (2 + e), t <= 1/3.
inline Vector log_of_one_plus(Vector e) {
    const Vector t = e / (e + 2.0f), square = t * t;
    Vector series = square * (1.0f / 13) + 1.0f / 11;
    series = series * square + 1.0f / 9;
    series = series * square + 1.0f / 7;
    series = series * square + 1.0f / 5;
    series = series * square + 1.0f / 3;
    return 2.0f * t * (square * series + 1.0f);
}

// log(x) for x >= 0: x = 2^n m with m between the square roots of 1/2 and 2, and twice the area
// tangent of t = (m - 1) / (m + 1), |t| <= 0.172.
inline Vector log_of(Vector x) {
    const Whole n = ((Whole)x - 0x3f3504f3) >> 23;
    const Vector m = (Vector)((Whole)x - (n << 23)), t = (m - 1.0f) / (m + 1.0f), square = t * t;
    Vector series = square * (1.0f / 9) + 1.0f / 7;
    series = series * square + 1.0f / 5;
    series = series * square + 1.0f / 3;
    const Vector value = 2.0f * t * (square * series + 1.0f);
    const Vector whole = __builtin_convertvector(n, Vector);
    const Vector exact = whole * 0.693145752f + (whole * 1.42860677e-6f + value) + (x - x);
    return x == 0 ? Vector{} - INFINITY : exact;
}

}  // namespace
