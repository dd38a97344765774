// Sharing of work among threads.

#pragma once

#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace {

// PyTorch's own threads where it has those of GNU OpenMP, else null. They wait for its next call
// in a busy loop: threads of ours beside them would find no free core.
using Team = void (*)(void (*)(void*), void*, unsigned, unsigned);

inline Team team_of_torch() {
    static const auto team = reinterpret_cast<Team>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
    return team;
}

// Calls work() in that many threads at once.
template <class Work>
void in_threads(long threads, Work work) {
    if (const Team team = threads > 1 ? team_of_torch() : nullptr)
        return team([](void* given) { (*static_cast<Work*>(given))(); }, &work, threads, 0);
    std::vector<std::thread> others;
    for (long t = 1; t < threads; ++t) others.emplace_back(work);
    work();
    for (auto& other : others) other.join();
}

// Calls work(first, last) for the equal shares of 0 ... count - 1, one for each thread.
template <class Work>
void share(long count, long threads, Work work) {
    threads = std::max(1L, std::min(count, threads));
    std::atomic<long> next{0};
    in_threads(threads, [&] {
        for (long t; (t = next++) < threads;)
            work(count * t / threads, count * (t + 1) / threads);
    });
}

}  // namespace
