// How many arenas glibc's allocator has: one for each core, instead of its eight.
//
// An arena grows to the largest thing that one of its threads ever built. A program with hundreds
// of threads, each of which answers now and then, takes hours to bring sixteen arenas to their
// size, which looks like a leak and is memory for nothing.
#pragma once

namespace umbel {

// To be called before the first thread. Without effect where the allocator is another one.
void one_arena_per_core();

}  // namespace umbel
