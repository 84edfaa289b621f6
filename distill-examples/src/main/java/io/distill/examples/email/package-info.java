/**
 * The main example: a sentence encoder of 22.7 million parameters teaches a student a fiftieth of
 * its size to sort e-mails.
 */
@NullMarked
package io.distill.examples.email;

import org.jspecify.annotations.NullMarked;
