// nlohmann::json for our code. Include this instead of the library's header: the members of the
// class are compiled once, in json.cc, and not again in every file that reads or writes JSON.
#pragma once

#include <string>

#include "nlohmann/json.hpp"

// The library's default class; spelled like this because aliases cannot be instantiated.
extern template class nlohmann::basic_json<>;

namespace lockstep {

// One line, or with that many spaces for each level. Bytes that are not UTF-8 are replaced: what
// others wrote must not end a program that quotes it.
std::string JsonText(const nlohmann::json& value, int indent = -1);
std::string JsonText(const nlohmann::ordered_json& value, int indent = -1);

}  // namespace lockstep
