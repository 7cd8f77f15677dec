// One task process: started, asked to stop, signalled, seen to its end.
//
// It is our own binary, started afresh (posix_spawn), never a fork of this process with its threads
// and locks. It inherits two sockets and the standard streams, nothing else. It ends when they
// close, and is killed by the kernel when the thread that started it ends: a worker that is killed
// leaves nothing behind.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "descriptor.hpp"
#include "umbel/base/result.hpp"

namespace umbel::prefork {

// The descriptors of the process's ends of the two sockets, and the option that makes it one.
inline constexpr int kWordsDescriptor = 3;  // frames both ways
inline constexpr int kBellDescriptor = 4;   // towards it: the number of a job that is to stop
inline constexpr const char* kChildOption = "--child=";  // and the worker's process id

// This program, wherever its file is now.
inline constexpr const char* kOwnFile = "/proc/self/exe";

// Used, and destroyed, by the thread that started it.
class ChildProcess {
 public:
  // `command`: the program and its arguments, kChildOption aside. Unavailable: the system does not
  // start it.
  [[nodiscard]] static Result<std::unique_ptr<ChildProcess>> start(
      const std::vector<std::string>& command);
  // Kills it if it still runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] int words() const { return words_.get(); }  // never blocks
  [[nodiscard]] int end() const { return end_.get(); }      // readable once the process has ended
  [[nodiscard]] bool has_ended() const;
  void stop_job(std::uint64_t job);
  void signal(int number);
  // Waits for its end; `signal 11 (SIGSEGV)` or `exitcode 3`.
  [[nodiscard]] const std::string& how_it_ended();
  // Asks it to leave, and kills it if it has not within `grace`.
  void leave(std::chrono::milliseconds grace);
  // Resident memory in KiB; 0: it is gone.
  [[nodiscard]] std::uint64_t resident() const;

 private:
  ChildProcess(pid_t pid, Descriptor words, Descriptor bell, Descriptor end);
  pid_t pid_;
  Descriptor words_, bell_, end_;
  std::string how_;  // set: it has been waited for
};

}  // namespace umbel::prefork
