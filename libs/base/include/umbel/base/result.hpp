// Expected failures are values.
//
// A function that can fail for a reason its caller has to live with (unknown id, broker down, bad
// input) returns Result<T>. A broken promise (a bug, an impossible state) throws. Third-party
// exceptions and error numbers become an Error once, in the adapter that sees them; an HTTP status
// is chosen once, at the edge.
#pragma once

#include <boost/system/result.hpp>
#include <stdexcept>
#include <string>
#include <utility>

namespace umbel {

// A code exists because some caller acts on it differently.
enum class Errc {
  NotFound,
  Conflict,     // somebody else was first, or holds it now; nothing was changed
  Invalid,      // the input is at fault; the message names what, where, and what is allowed
  Unavailable,  // the other side cannot be reached or is busy; try later
  TimedOut,
  Cancelled,
  OutcomeUnknown,  // sent, no answer: it may or may not have happened
  Corrupt,  // what is kept is damaged: neither the input nor a later try helps, somebody must act
};

struct Error {
  Errc code;
  std::string what;  // for people: what was tried, on what, and why it failed; never a secret
};

template <class T>
using Result = boost::system::result<T, Error>;

[[noreturn]] inline void throw_exception_from_error(const Error& error,
                                                    const boost::source_location&) {
  throw std::runtime_error{error.what};  // reached only by value() on an error, that is, by a bug
}

inline Error invalid(std::string what) { return {Errc::Invalid, std::move(what)}; }
inline Error not_found(std::string what) { return {Errc::NotFound, std::move(what)}; }
inline Error unavailable(std::string what) { return {Errc::Unavailable, std::move(what)}; }

}  // namespace umbel
