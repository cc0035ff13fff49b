"""Optical ground stations and their observable windows."""
