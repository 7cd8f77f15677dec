// How glibc's allocator keeps memory in a program that runs for months on many threads.
//
// An arena grows to the largest thing that one of its threads ever built. A program with hundreds
// of threads, each of which answers now and then, takes hours to bring sixteen arenas to their
// size, which looks like a leak and is memory for nothing: hence one arena for each core. And what
// is large once (a body of megabytes) goes back to the system when it is freed, instead of raising
// the size from which that happens.
#pragma once

namespace umbel {

// To be called before the first thread. Without effect where the allocator is another one.
void bound_allocator();

}  // namespace umbel
