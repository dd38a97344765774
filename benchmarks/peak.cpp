// The most that one core can multiply and add: nothing else, on vectors that stay in registers.
// Prints GFLOP/s, a multiplication and an addition as two operations, the best of twenty tries.

#include <cstdio>
#include <ctime>

#include "../src/sparsevae/networks/kernels/vectors.hpp"

static double seconds() {
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

int main() {
    constexpr long SUMS = 12, ROUNDS = 1000000;
    Vector sum[SUMS], factor, term;
    for (long i = 0; i < LANES; ++i) factor[i] = 0.999f, term[i] = 0.001f;
    for (auto& each : sum) each = term;
    double best = 0;
    for (int attempt = 0; attempt < 20; ++attempt) {
        const double began = seconds();
        for (long round = 0; round < ROUNDS; ++round) {
            for (auto& each : sum) each = each * factor + term;
        }
        best = std::max(best, 2e-9 * LANES * SUMS * ROUNDS / (seconds() - began));
    }
    float total = 0;
    for (auto& each : sum) total += each[0];
    std::printf("%.1f\n", total == total ? best : 0.0);
}
