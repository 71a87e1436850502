#!/usr/bin/env node
// Committed, because npm links only commands that exist at install time, which is before the build.
import '../dist/main.js'
